"""Shows a page in the browser of whoever sits at this machine, if anybody does."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser


def show_page(url: str) -> bool:
    """Opens the page where there is a desktop; says whether it tried. Never waits for the browser.

    Without a display a browser of the terminal would take the terminal over.
    """
    shown_by = (os.environ.get("DISPLAY"), os.environ.get("WAYLAND_DISPLAY"))
    if not any(shown_by) and sys.platform not in ("darwin", "win32"):
        return False
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    return True
