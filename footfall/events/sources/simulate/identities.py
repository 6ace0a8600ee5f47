"""Which ids customers go by, where they are logged in, and what they say of consent."""

from collections.abc import Callable

from footfall.events.sources.simulate.customers import ALLOWS, BOT, REFUSES, Customers
from footfall.events.sources.simulate.plan import Plan
from footfall.events.sources.simulate.visit import (
    BOTS,
    DEVICES,
    SERVER,
    USER,
    Draft,
    Visit,
    anonymous_id,
)

STAYS_LOGGED_IN = 0.8
ALIAS_SENT = 0.15


class Identities:
    """Begins visits under the ids that the shop would see."""

    def __init__(self, plan: Plan, customers: Customers, out: Callable[[Draft], None]) -> None:
        self._random = plan.dice("identities").random
        self._customers, self._out = customers, out
        self._name = plan.name
        self._salt = int(plan.numbers("devices").integers(2**62))
        self._answers = bytearray(customers.answer.tobytes())
        self._logged_in = bytearray(customers.size)  # a bit per device

    def user_id(self, customer: int) -> str:
        """Return the id that a customer has once they log in."""
        return f"{self._name}-u{customer}"

    def anonymous_id(self, customer: int, device: int) -> str:
        """Return the id of a customer's device; pairs may share their first one."""
        if not device and self._customers.shares_device[customer]:
            customer &= ~1
        return anonymous_id(self._salt, customer, device)

    def arrive(self, at: int, customer: int) -> Visit:
        """Begin a visit on one of the customer's devices, where they may still be logged in."""
        random, people = self._random, self._customers
        count = int(people.devices[customer])
        device = 0 if count == 1 or random() < 0.65 else 1 + int(random() * (count - 1))
        anonymous = self.anonymous_id(customer, device)
        looks = BOTS if people.segment[customer] == BOT else DEVICES
        look = looks[int(anonymous[:6], 16) % len(looks)]
        answer = self._answers[customer]
        visit = Visit(self._out, random, at, customer, device, anonymous, look, answer)
        if self._logged_in[customer] >> device & 1 and random() < STAYS_LOGGED_IN:
            visit.know(self.user_id(customer))
        return visit

    def server(self, at: int, customer: int, device: int = 0) -> Visit:
        """Begin what the shop's own server sends of a customer: by user id, if they have one."""
        has_account = self._customers.has_account[customer]
        anonymous = "" if has_account else self.anonymous_id(customer, device)
        answer = self._answer(customer, at)
        visit = Visit(self._out, self._random, at, customer, device, anonymous, SERVER, answer)
        if has_account:
            visit.know(self.user_id(customer))
        return visit

    def log_in(self, visit: Visit) -> None:
        """Identify the customer, if they have an account and are not known yet."""
        customer = visit.customer
        if visit.ids >= USER or not self._customers.has_account[customer]:
            return
        user_id, before = self.user_id(customer), self._logged_in[customer]
        visit.know(user_id)
        visit.call("identify", f'"traits":{{"email":"{user_id}@mail.example","newsletter":true}}')
        if not before and self._random() < ALIAS_SENT:
            visit.at += 150
            visit.call("alias", f'"previousId":"{visit.anonymous}"')
        self._logged_in[customer] = before | 1 << visit.device
        visit.wait(8)

    def reconsider(self, visit: Visit) -> None:
        """Tell that the customer answers the consent banner otherwise from now on, if so."""
        now = self._answer(visit.customer, visit.at)
        if now != self._answers[visit.customer]:
            self._answers[visit.customer] = now
            visit.consent(now)
            visit.track("Segment Consent Preference Updated", '"source":"banner"')

    def _answer(self, customer: int, at: int) -> int:
        first = int(self._customers.answer[customer])
        if at < self._customers.changes[customer]:
            return first
        return REFUSES if first == ALLOWS else ALLOWS
