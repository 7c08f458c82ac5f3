"""`python -m xrobust`, which is also what launchers start: `accelerate launch -m xrobust run ...`."""

from __future__ import annotations

from xrobust.cli.main import main

if __name__ == "__main__":
    main()
