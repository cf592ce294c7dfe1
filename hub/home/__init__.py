"""What can be done in the home: timers, volume, announcements, and what Home Assistant controls."""
