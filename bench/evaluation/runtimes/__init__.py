"""Artifacts on other runtimes than the one we measure on: tensorflow's interpreter and tflite-runtime.

`python -m mobiledeploy.bench.evaluation.runtimes.check_runtimes --help` drives it; README.md in this
folder has the set-up.
"""
