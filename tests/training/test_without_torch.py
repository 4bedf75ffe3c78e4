"""The training command where torch is absent."""

import subprocess
import sys


def test_command_without_torch_says_what_to_install() -> None:
    """Without torch the command ends with code 2 and the line to type, not with a traceback."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from training.__main__ import main\n"
        "sys.exit(main(['all']))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert "error[TRAIN-001]" in done.stderr
    assert 'pip install "pilewise[train]"' in done.stderr
    assert "Traceback" not in done.stderr
