"""``python -m driftloop`` is ``driftloop``."""

from .cli import main

if __name__ == "__main__":
    main()
