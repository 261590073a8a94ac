"""What breaks things, a failing disk, a failing wire, a killed process, and what judges the promises under them."""
