"""What must be known of an app's FCM configuration to prepare and build its requests."""

import re

import msgspec

# A project's id, or its number: both name it in the path (docs/fcm.md#requests-and-connections).
PROJECT_ID = re.compile(r"[a-z0-9-]{1,128}")


class FcmFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``project_id`` names the Firebase project in paths and lanes; ValueError for one that can't stand there."""

    project_id: str

    def __post_init__(self) -> None:
        if not PROJECT_ID.fullmatch(self.project_id):
            raise ValueError("an FCM project id has lower-case letters, digits and hyphens only")
