"""Phones over adb, and the two programs that measure on them."""
