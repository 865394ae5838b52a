"""The project measures itself: accuracy and speed of its artifacts, beside those of other tools and runtimes.

`python -m mobiledeploy.bench.evaluation --help` drives it, from a checkout: it is not installed with the
package. README.md in this folder says how to set up other tools.
"""
