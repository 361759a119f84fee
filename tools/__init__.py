"""What looks after the repository itself: its reference pages, its dependencies. Not part of the installed package."""
