"""The warehouse's customers; the tasks stay in a module that the consumer imports by the same name."""

from __future__ import annotations

import stock

if __name__ == "__main__":
    stock.main()
