"""Decimals: accounts, loans, exchange, roundings, many digits, text both ways; and fractions."""

import decimal
import fractions
from decimal import Decimal

CENT = Decimal("0.01")


def read(lines: list[str]) -> list[tuple[str, Decimal]]:
    return [(name, Decimal(amount.replace(",", ""))) for name, amount in (line.split(";") for line in lines)]


def statement(lines: list[str]) -> str:
    accounts: dict[str, Decimal] = {}
    charged = Decimal(0)
    for name, amount in read(lines):
        fee = max((amount * Decimal("0.0035")).quantize(CENT, decimal.ROUND_UP), CENT)
        charged += fee
        accounts[name] = accounts.get(name, Decimal(0)) + amount - fee
    shown = [f"{name}: {amount:>12,.2f} {-amount:+f}" for name, amount in sorted(accounts.items()) if amount > 0 or not amount.is_signed()]
    return "\n".join(shown) + str(charged) + str(sum(accounts.values(), Decimal(0)).normalize())


def loan(years: int, yearly: str) -> Decimal:
    owed, rate = Decimal(250_000), Decimal(yearly) / 1200
    monthly = (owed * rate / (1 - (1 + rate) ** (-12 * years))).quantize(CENT)
    paid = Decimal(0)
    while owed > 0:
        interest = (owed * rate).quantize(CENT, decimal.ROUND_HALF_EVEN)
        part = min(monthly, owed + interest)
        owed += interest - part
        paid += part
    return paid


def exchange(count: int) -> Decimal:
    rates = {"EUR": Decimal(1), "USD": Decimal("1.0837"), "JPY": Decimal("161.25"), "CHF": Decimal("0.9432")}
    total, names = Decimal(0), list(rates)
    for number in range(count):
        source, target = names[number % 4], names[number * 7 % 4]
        amount = Decimal(number * 13 % 99_991).scaleb(-2)
        found = (amount / rates[source] * rates[target]).quantize(Decimal(1) if target == "JPY" else CENT)
        total += found if found.compare(amount) > 0 else found - amount
        if number % 10 == 0:
            total += int(found) % 3 + Decimal.from_float(float(found)).quantize(CENT) % 7 + found.adjusted()
    return total


def constants(digits: int) -> Decimal:
    with decimal.localcontext(prec=digits):
        root, golden = Decimal(2).sqrt(), (1 + Decimal(5).sqrt()) / 2
        total, term, number = Decimal(0), Decimal(1), 1
        while term > Decimal(10) ** -digits:
            total += term
            term /= number
            number += 1
        product = Decimal(1)
        for number in range(1, 120):
            product = product * number + product / 7
        return root + golden + total.ln() + total.exp() + product.log10() + Decimal(10) ** (Decimal(1) / 3)


def exact(count: int) -> fractions.Fraction:
    total = fractions.Fraction(0)
    for number in range(1, count):
        total += fractions.Fraction(number % 30 + 1, number % 12 + 1) * fractions.Fraction(1, number % 7 + 1) - fractions.Fraction(str(number / 8))
    return total.limit_denominator(1000)


def main() -> None:
    lines = [f"{name};{number * 997 % 1_000_003 / 100:,.2f}" for number in range(4000) for name in [f"account {number % 37}"]]
    with decimal.localcontext() as context:
        context.traps[decimal.Inexact] = False
        print(len(statement(lines)), loan(30, "3.25"), loan(15, "4.1"), exchange(12_000), round(constants(120) + constants(900)), exact(1500))


if __name__ == "__main__":
    main()
