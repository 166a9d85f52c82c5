"""Programs for Node with packages of their own, installed outside of the repository's files."""

import hashlib
import shutil
import subprocess
from pathlib import Path

INSTALLED = Path(__file__).parents[1] / "var" / "node"


def installed(source: Path) -> Path:
    """A copy of ``source`` with what its ``package.json`` asks for, installed once.

    Raises:
        FileNotFoundError: there is no npm here.
        subprocess.CalledProcessError: npm could not install.
    """
    mark = hashlib.sha256((source / "package.json").read_bytes()).hexdigest()[:12]
    folder = INSTALLED / f"{source.name}-{mark}"
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        shutil.copy(path, folder)
    if not (folder / "node_modules" / ".package-lock.json").exists():
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"],
            cwd=folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )
    return folder
