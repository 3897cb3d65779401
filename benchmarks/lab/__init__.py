"""The lab: real runs on the pocket model that lived and died, the truth about them, and how well it is read."""
