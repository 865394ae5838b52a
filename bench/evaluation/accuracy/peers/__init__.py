"""Scripts that run other tools, each in an environment of its own. None imports anything of mobiledeploy.

    PYTHON peer_x.py --model float.onnx --calibration inputs.npy --method NAME --out int8.onnx

writes int8.onnx and int8.onnx.json: {"seconds": ..., "versions": {...}}. README.md in the folder above says
how to set the environments up.
"""
