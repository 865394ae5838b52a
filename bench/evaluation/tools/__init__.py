"""Scripts that run other tools, each in an environment of its own. None imports anything of mobiledeploy.

    PYTHON run_tool.py TOOL METHOD --model FILE --calibration inputs.npy --out FILE

runs tool_TOOL.py. README.md in the folder above says how to set the environments up.
"""
