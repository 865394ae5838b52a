"""Our artifacts beside those of litert-torch with ai-edge-quantizer: same weights, calibration and runtime.

`python -m mobiledeploy.bench.evaluation.peers --help` drives it; README.md in this folder says how to set up
the peers.
"""
