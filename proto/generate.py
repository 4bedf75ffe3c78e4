"""Writes the generated contract `pilewise/v1` from the sources beside this file.

Run it with `tox -e generate`, which holds the compiler to the oldest version that the product
supports, so that the generated code also runs on the newest. `--check` writes nothing and exits 1
where the committed code differs.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "proto"
TARGET = ROOT / "pilewise" / "v1"
INIT = '"""Generated from `proto/pilewise/v1`; change the sources and run `tox -e generate`."""\n'


def generate(into: Path) -> list[Path]:
    """Returns the files generated under `into`, which becomes a package root."""
    from grpc_tools import protoc

    protos = sorted(str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.proto"))
    well_known = str(resources.files("grpc_tools") / "_proto")
    code = protoc.main(
        [
            "protoc",
            f"-I{SOURCES}",
            f"-I{well_known}",
            f"--python_out={into}",
            f"--grpc_python_out={into}",
            f"--mypy_out=quiet:{into}",
            f"--mypy_grpc_out=quiet:{into}",
            *protos,
        ]
    )
    if code:
        raise SystemExit(code)
    package = into / "pilewise" / "v1"
    (package / "__init__.py").write_text(INIT)
    for empty in package.glob("*_pb2_grpc.py*"):
        # A file of messages alone gets an empty service module; nobody imports it.
        if f"{empty.name.split('_pb2_grpc')[0]}.proto" == "types.proto":
            empty.unlink()
    return sorted(package.iterdir())


def main() -> int:
    """Writes or checks the generated code; the exit code says whether it was in step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 on drift")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as box:
        fresh = generate(Path(box))
        names = {path.name for path in fresh}
        stale = [p for p in TARGET.glob("*") if p.is_file() and p.name not in names]
        changed = [
            p
            for p in fresh
            if not (TARGET / p.name).exists() or not filecmp.cmp(p, TARGET / p.name, shallow=False)
        ]
        if check:
            for path in [*stale, *changed]:
                print(f"pilewise/v1/{path.name} is out of step with proto/; run tox -e generate")
            return 1 if stale or changed else 0
        TARGET.mkdir(parents=True, exist_ok=True)
        for path in stale:
            path.unlink()
        for path in changed:
            shutil.copyfile(path, TARGET / path.name)
        print(f"{len(changed)} files written, {len(stale)} removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
