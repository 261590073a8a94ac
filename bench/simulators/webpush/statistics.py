"""What a Web Push simulator counts beyond what all simulators do."""

from bench.simulators.server import Statistics


class WebPushStatistics(Statistics, frozen=True):
    """A moment's counts since the start."""

    decryption_failures: int
    """Bodies that the browser could not have read. Their senders were answered as if it could."""
    faults: dict[str, int]
    """Requests that broke a rule, by the name of the first one they broke (`Fault`)."""
    tokens: dict[str, int]
    """Different VAPID tokens that were good for something, by ``key id@origin``."""
    early_renewals: dict[str, int]
    """Of these the ones that came less than an hour after the one before, by origin. Apple asks for none."""

    def summary(self) -> str:
        """Return a line for people, one for what browsers could not read, and a further one for each reason."""
        first, *reasons = super().summary().splitlines()
        return "\n".join((first, f"  {self.decryption_failures} bodies that no browser could read", *reasons))
