"""Recomputes every term of derivations by plain arithmetic on its formula and operands.

Usage: recompute.py FILE.json…, with the output of `chainrule explain … --format json`. A formula has operators between
spaces; a name directly before a parenthesis is a function, every other name an operand. Nothing is imported but the
standard library, and no operand's value is taken from anywhere but the term itself. Then the terms must hang together: an
operand that another term defines, before it or after it, has the value that term found.
"""

import json
import math
import re
import struct
import sys

TOLERANCE = {"f64": 1e-12, "f32": 1e-5, "bf16": 1e-5}


def exp(x):
    return math.inf if x > 709 else math.exp(x)


def bf16(x):
    """x as f32, rounded to its upper half: to nearest, ties to even."""
    (bits,) = struct.unpack("<I", struct.pack("<f", x))
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return struct.unpack("<f", struct.pack("<I", bits))[0]


FUNCTIONS = {
    "exp": exp,
    "ln": math.log,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "erf": math.erf,
    "sigmoid": lambda x: 1 / (1 + exp(-x)),
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "bf16": bf16,
}

TOKEN = re.compile(
    r"\s*(?:(?P<function>[a-z][a-z0-9]*)(?=\()|(?P<number>\d[\d.]*(?:e-?\d+)?)(?=[\s)]|$)|(?P<open>\()|(?P<close>\))"
    r"|(?P<operator>[-+*/^])(?=\s)|(?P<minus>-)|(?P<symbol>[A-Za-z][^\s()]*))"
)


def tokens(formula):
    at = 0
    while at < len(formula):
        match = TOKEN.match(formula, at)
        if not match:
            raise ValueError(f"cannot read {formula!r} at {formula[at:]!r}")
        at = match.end()
        yield match.lastgroup, match.group(match.lastgroup)


class Reader:
    """A recursive descent: sums of products of powers."""

    def __init__(self, formula, operands):
        self.tokens = list(tokens(formula)) + [("end", "")]
        self.at = 0
        self.operands = operands

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def peek(self):
        return self.tokens[self.at]

    def sum(self):
        value = self.product()
        while self.peek() in (("operator", "+"), ("operator", "-")):
            sign = self.next()[1]
            other = self.product()
            value = value + other if sign == "+" else value - other
        return value

    def product(self):
        value = self.power()
        while self.peek() in (("operator", "*"), ("operator", "/")):
            sign = self.next()[1]
            other = self.power()
            value = value * other if sign == "*" else value / other
        return value

    def power(self):
        if self.peek()[0] == "minus":
            self.next()
            # -a * b is -(a * b), which is the same number.
            return -self.power()
        value = self.atom()
        if self.peek() == ("operator", "^"):
            self.next()
            value = value ** self.atom()
        return value

    def atom(self):
        kind, text = self.next()
        if kind == "number":
            return float(text)
        if kind == "symbol":
            return self.operands[text]
        if kind in ("open", "function"):
            if kind == "function":
                self.next()
            value = self.sum()
            if self.next()[0] != "close":
                raise ValueError("a parenthesis is missing")
            return FUNCTIONS[text](value) if kind == "function" else value
        raise ValueError(f"unexpected {text!r}")


def evaluate(formula, operands):
    reader = Reader(formula, operands)
    value = reader.sum()
    if reader.peek()[0] != "end":
        raise ValueError(f"{formula!r}: left over from {reader.peek()[1]!r}")
    return value


def check(name):
    with open(name) as file:
        derivation = json.load(file)
    tolerance = TOLERANCE[derivation["dtype"]]
    found, used, worst, count = {}, [], 0.0, 0
    for section in derivation["sections"]:
        for term in section["blocks"]:
            if term["kind"] != "term":
                continue
            operands = {operand["symbol"]: operand["value"] for operand in term["operands"]}
            value = evaluate(term["formula"], operands)
            difference = abs(value - term["value"]) / max(1.0, abs(term["value"]))
            if not difference <= tolerance:
                return f"{name}: {term['symbol']} = {term['formula']} is {value!r}, not {term['value']!r}", count
            used += [(term["symbol"], symbol, given) for symbol, given in operands.items()]
            for symbol in [term["symbol"], *term.get("aliases", [])]:
                if symbol in found and not abs(found[symbol] - term["value"]) <= tolerance * max(1.0, abs(value)):
                    return f"{name}: {symbol} is defined twice, differently", count
                found[symbol] = term["value"]
            worst, count = max(worst, difference), count + 1
    for user, symbol, given in used:
        if symbol in found and not abs(found[symbol] - given) <= tolerance * max(1.0, abs(given)):
            return f"{name}: {user} uses {symbol} = {given!r}, defined as {found[symbol]!r}", count
    if count == 0:
        return f"{name}: no terms", count
    return None, count


def main():
    terms = 0
    for name in sys.argv[1:]:
        fault, count = check(name)
        if fault:
            print(fault)
            return 1
        terms += count
    print(f"{terms} terms of {len(sys.argv) - 1} derivations recomputed")
    return 0 if terms else 1


if __name__ == "__main__":
    sys.exit(main())
