"""Random small templates from a grammar of the constructs that data/chat_template supports. Some are well typed by luck
only: where Jinja raises, so must we."""

NAMES = ("a", "b", "c", "messages", "message", "bos_token", "nothing", "x")
STRINGS = ("''", "'a'", "' b c '", "'Hello World'", "'a,b,,c'", "\"it's\"", "'x\\ny'", "'三五'", "'\\u00e9'", "'<think>t</think>u'",
           "'A'", "'12'", "'4.5'", "'\\t z\\n'")
NUMBERS = ("0", "1", "2", "3", "-1", "7", "2.5", "-0.5", "1e20", "10")


class Maker:
    def __init__(self, chance):
        self.chance = chance
        self.loops = 0

    def pick(self, *choices):
        return self.chance.choice(choices)

    def maybe(self, share=0.5):
        return self.chance.random() < share

    # --- expressions ---
    def string(self, depth):
        if depth <= 0 or self.maybe(0.3):
            return self.pick(*STRINGS)
        d = depth - 1
        return self.pick(
            lambda: f"({self.string(d)} + {self.string(d)})",
            lambda: f"({self.any(d)} ~ {self.any(d)})",
            lambda: f"{self.string(d)}|{self.pick('trim', 'upper', 'lower', 'title', 'capitalize', 'string')}",
            lambda: f"({self.string(d)}).{self.pick('strip', 'lstrip', 'rstrip', 'upper', 'lower', 'title', 'capitalize')}()",
            lambda: f"({self.string(d)}).{self.pick('strip', 'lstrip', 'rstrip')}({self.string(0)})",
            lambda: f"({self.string(d)}).split({self.pick('', self.string(0))})[{self.pick('0', '-1', '1')}]",
            lambda: f"({self.string(d)}).replace({self.string(0)}, {self.string(0)})",
            lambda: f"{self.string(d)}|replace({self.string(0)}, {self.string(0)})",
            lambda: f"({self.string(d)})[{self.slice()}]",
            lambda: f"{self.list(d)}|join({self.string(0)})",
            lambda: f"{self.pick(self.any(d), self.list(0), self.dict(0), self.number(0))}|tojson{self.pick('', '(indent=2)', '(ensure_ascii=true)')}",
            lambda: f"{self.string(d)}|indent({self.pick('2', '', '2, true', '3, first=true, blank=true')})",
            lambda: f"{'message' if self.loops and self.maybe() else 'messages[0]'}{self.pick('.role', '.content', '[' + repr('content') + ']', '.missing')}",
            lambda: f"({self.string(d)} if {self.test(d)} else {self.string(d)})",
            lambda: f"({self.string(d)} * {self.pick('0', '2', '3')})",
            lambda: "bos_token",
        )()

    def slice(self):
        bound = lambda: self.pick("", "0", "1", "2", "-1", "-2", "5", "-9")
        return self.pick(lambda: f"{bound()}:{bound()}", lambda: f"{bound()}:{bound()}:{self.pick('1', '2', '-1', '-2')}",
                         lambda: "::-1")()

    def number(self, depth):
        if depth <= 0 or self.maybe(0.3):
            return self.pick(*NUMBERS)
        d = depth - 1
        return self.pick(
            lambda: f"({self.number(d)} {self.pick('+', '-', '*')} {self.number(d)})",
            lambda: f"({self.number(d)} {self.pick('/', '//', '%')} {self.pick('2', '-3', '0.7', self.number(d))})",
            lambda: f"{self.pick(self.list(d), self.string(d), self.dict(d))}|length",
            lambda: f"({self.number(d)})|{self.pick('int', 'float', 'abs', 'round', 'round(1)')}",
            lambda: f"{self.string(d)}|{self.pick('int', 'float', 'int(7)', 'float(1.5)')}",
            lambda: f"(-{self.number(d)})",
            lambda: f"{self.number(0)} ** {self.pick('2', '3', '0')}",
            lambda: f"({self.string(d)}).{self.pick('find', 'count', 'rfind')}({self.string(0)})",
            lambda: self.pick("loop.index", "loop.index0", "loop.length", "loop.revindex") if self.loops else "1",
        )()

    def list(self, depth):
        if depth <= 0 or self.maybe(0.2):
            return self.pick("[]", "[1, 2, 3]", "['a', 'B', 'a']", "messages", "(1, 'x')", "range(4)", "[none, true, 2.0]", "[[1, 2], ['a']]")
        d = depth - 1
        return self.pick(
            lambda: "[" + ", ".join(self.any(d) for _ in range(self.chance.randrange(4))) + "]",
            lambda: f"({self.list(d)})[{self.slice()}]",
            lambda: f"({self.list(d)} + {self.list(d)})",
            lambda: f"({self.string(d)}).{self.pick('split()', 'split(none, 1)', 'splitlines()', 'split(' + repr(',') + ')', 'rsplit(' + repr(',') + ', 1)')}",
            lambda: f"{self.list(d)}|{self.pick('list', 'sort', 'reverse|list', 'unique|list', 'sort(reverse=true)')}",
            lambda: f"{self.list(d)}|{self.pick('select', 'reject')}({self.pick('', repr('string'), repr('number'), repr('odd'), repr('equalto') + ', 2')})|list",
            lambda: f"{self.list(d)}|map({self.pick(repr('string'), repr('length'), repr('upper'), 'attribute=' + repr('role'), repr('trim'))})|list",
            lambda: f"messages|{self.pick('selectattr', 'rejectattr')}('role', '{self.pick('equalto', 'eq', '==', 'ne', 'in')}', {self.string(0)})|list",
            lambda: f"messages|map(attribute='{self.pick('role', 'content', 'none')}')|list",
            lambda: f"{self.dict(d)}.{self.pick('items', 'keys', 'values')}()|list",
            lambda: f"{self.dict(d)}|{self.pick('items|list', 'dictsort', 'list')}",
            lambda: f"{self.string(d)}|list",
        )()

    def dict(self, depth):
        if depth <= 0 or self.maybe(0.4):
            return self.pick("{}", "{'a': 1}", "{'b': 'x', 'a': none}", "{'role': 'r', 1: [2]}", "messages[0]", "dict(q=1, a='z')")
        return "{" + ", ".join(f"{self.pick(self.string(0), self.number(0))}: {self.any(depth - 1)}" for _ in range(self.chance.randrange(4))) + "}"

    def test(self, depth):
        d = depth - 1
        if depth <= 0:
            return self.pick("true", "false", "none", "x", "a", "add_generation_prompt", "b is defined", "loop.first" if self.loops else "1",
                             "loop.last" if self.loops else "0")
        return self.pick(
            lambda: f"{self.any(d)} is {self.pick('', 'not ')}{self.pick('defined', 'undefined', 'none', 'string', 'mapping', 'iterable', 'sequence', 'number', 'integer', 'float', 'boolean', 'true', 'false')}",
            lambda: f"{self.number(d)} is {self.pick('odd', 'even', 'divisibleby 3', 'gt(2)')}",
            lambda: f"{self.any(d)} is {self.pick('equalto', 'eq', 'ne', 'in')}({self.any(d)})",
            lambda: f"{self.string(d)} is {self.pick('upper', 'lower')}",
            lambda: f"{self.any(d)} {self.pick('==', '!=')} {self.any(d)}",
            lambda: f"{self.number(d)} {self.pick('<', '<=', '>', '>=')} {self.number(d)}",
            lambda: f"{self.number(d)} < {self.number(d)} <= {self.number(d)}",
            lambda: f"{self.string(d)} {self.pick('in', 'not in')} {self.string(d)}",
            lambda: f"{self.string(0)} {self.pick('==', 'in')} {self.pick(*STRINGS)}",
            lambda: f"{self.any(d)} {self.pick('in', 'not in')} {self.list(d)}",
            lambda: f"{self.string(d)} in {self.dict(d)}",
            lambda: f"({self.test(d)} {self.pick('and', 'or')} {self.test(d)})",
            lambda: f"not {self.test(d)}",
            lambda: f"({self.string(d)}).{self.pick('startswith', 'endswith')}({self.pick(self.string(0), '(' + self.string(0) + ', ' + self.string(0) + ')')})",
            lambda: self.any(d),
        )()

    def any(self, depth):
        if depth <= 0:
            return self.pick(self.string(0), self.number(0), "true", "false", "none", *NAMES)
        d = depth - 1
        return self.pick(
            lambda: self.string(depth), lambda: self.string(depth), lambda: self.number(depth), lambda: self.list(depth),
            lambda: self.dict(depth), lambda: self.pick(*NAMES), lambda: f"({self.test(d)})",
            lambda: f"{self.dict(d)}{self.pick('.a', '.get(' + repr('a') + ')', '.get(' + repr('q') + ', 5)', '[' + repr('a') + ']', '.role', '.items')}",
            lambda: f"{self.list(d)}{self.pick('[0]', '[-1]', '|first', '|last', '[5]')}",
            lambda: f"{self.any(d)}|default({self.any(0)}{self.pick('', ', true')})",
            lambda: f"({self.any(d)} if {self.test(d)})",
            lambda: self.pick("loop.previtem", "loop.nextitem", "loop.cycle('p', 'q')", "loop.last") if self.loops else "ns.v",
            lambda: self.pick("ns.v", "ns['w']", "ns.missing", "m(1)", "m(b=2, a=3)", "m()"),
        )()

    # --- statements ---
    def tag(self, text):
        left, right = self.pick("", "", "-", "-", "+"), self.pick("", "", "-", "-", "+")
        return "{%" + left + " " + text + " " + right + "%}"

    def space(self):
        return self.pick("", "", " ", "\n", "  \n", "\n    ", "\n\n", " t ", "\t")

    def output(self):
        return "{{" + self.pick("", "-", "") + f" {self.any(3)} " + self.pick("", "-", "") + "}}"

    def body(self, depth):
        parts = []
        for _ in range(self.chance.randrange(1, 4)):
            parts += [self.space(), self.statement(depth)]
        return "".join(parts) + self.space()

    def statement(self, depth):
        if depth <= 0:
            return self.pick(self.output, self.output, lambda: self.pick("text", "x\n", "{#- note #}", "{# note #}\n", "{% raw %}{{ r }} {% endraw %}"))()
        d = depth - 1
        return self.pick(
            self.output, self.output, lambda: self.if_(d), lambda: self.if_(d), lambda: self.for_(d), lambda: self.for_(d),
            lambda: self.tag(f"set {self.pick('a', 'b', 'c', 'x')} = {self.any(2)}"),
            lambda: self.tag(f"set {self.pick('a', 'b', 'c', 'x', 'messages')} = {self.list(2)}"),
            lambda: self.tag(f"set a, b = {self.any(1)}, {self.any(1)}"),
            lambda: self.tag(f"set ns.{self.pick('v', 'w')} = {self.any(2)}"),
            lambda: self.tag(f"set {self.pick('a', 'c')}{self.pick('', ' | upper', ' | trim | length')}") + self.closed(d) + self.tag("endset"),
            lambda: self.tag("with a = " + self.any(1)) + self.body(d) + self.tag("endwith"),
            lambda: self.tag(f"filter {self.pick('upper', 'trim', 'replace(' + repr('a') + ', ' + repr('b') + ')|lower')}") + self.closed(d) + self.tag("endfilter"),
            lambda: self.tag("generation") + self.closed(d) + self.tag("endgeneration"),
            lambda: self.tag(f"macro {self.pick('m', 'n')}(a, b={self.any(1)})") + self.closed(d) + self.tag("endmacro"),
            lambda: self.tag("call m(1)") + self.closed(d) + self.tag("endcall"),
        )()

    def closed(self, depth):
        loops, self.loops = self.loops, 0
        text = self.body(depth)
        self.loops = loops
        return text

    def if_(self, depth):
        text = self.tag(f"if {self.test(2)}") + self.body(depth)
        for _ in range(self.chance.randrange(2)):
            text += self.tag(f"elif {self.test(2)}") + self.body(depth)
        if self.maybe():
            text += self.tag("else") + self.body(depth)
        return text + self.tag("endif")

    def for_(self, depth):
        target, items = self.pick(("message", "messages"), ("message", "messages"), ("x", self.list(2)), ("a", self.any(2)),
                                  ("x, b", self.dict(1) + ".items()"), ("x, b", self.dict(1) + "|items"))
        where = f" if {self.test(1)}" if self.maybe(0.2) else ""
        head = self.tag(f"for {target} in {items}{where}")
        self.loops += 1
        text = head + self.body(depth)
        if self.maybe(0.2):
            text += self.tag(f"if {self.test(1)}") + self.tag(self.pick("break", "continue")) + self.tag("endif") + self.body(depth)
        self.loops -= 1
        if self.maybe(0.2):
            text += self.tag("else") + self.body(depth)
        return text + self.tag("endfor")


def make(chance):
    """One template. It begins with a namespace and mostly a macro that its expressions can use."""
    maker = Maker(chance)
    head = "{% set ns = namespace(v=1, w='y') %}"
    if maker.maybe(0.9):
        head += "{% macro m(a, b=" + maker.any(1) + ") %}" + maker.closed(1) + maker.pick("", "{{ caller() }}") + "{% endmacro %}"
    return head + maker.body(3)
