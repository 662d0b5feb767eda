"""`ganpress-trainer`: trains GANs on images and exports their generators."""

from __future__ import annotations

from trainer.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
