"""``python -m mobiledeploy``."""

from mobiledeploy.cli.main import run

if __name__ == "__main__":
    run()
