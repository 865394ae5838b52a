"""Every network of the registry exported at full size, fp32 and int8, and one table of what came out.

`python -m mobiledeploy.bench.evaluation.zoo --help` drives it. It takes the better part of an hour on
2 cores, so it is no part of the test suite.
"""
