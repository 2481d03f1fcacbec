"""Programs from npm, installed once, as their lock file has them, into a folder below `build`."""

import hashlib
import shutil
import subprocess
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build" / "npm"


def installed(folder: Path) -> Path:
    """Return the folder of the modules that the lock file in `folder` names, installed if need be."""
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()[:16]
    made = BUILD / lock
    if not made.exists():
        draft = BUILD / f"{lock}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, draft)
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=draft, check=True, capture_output=True)
        draft.rename(made)
    return made / "node_modules"
