"""What is in `deploy`, run or judged by the tools of its trade."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
