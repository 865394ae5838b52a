"""``python -m mobiledeploy``."""

from mobiledeploy.cli import run

if __name__ == "__main__":
    run()
