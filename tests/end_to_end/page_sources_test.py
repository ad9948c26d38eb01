#!/usr/bin/env python3
"""The checks of the report page's sources: nothing is found in them, and every kind of fault is found where it is planted."""
import pathlib
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CHECK = SOURCE / "scripts" / "check_page_sources"


def check(*paths):
    result = subprocess.run([CHECK, *paths], capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr


class PageSourcesTest(unittest.TestCase):
    def found(self, name, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            path.write_text(text)
            code, output = check(path)
        self.assertEqual(code, 1, text)
        return output

    def test_the_pages_own_sources_are_sound(self):
        self.assertEqual(check(), (0, ""))

    def test_faults_of_a_script_are_found_on_their_lines(self):
        sound = "const one = 1;\nreport.two = (x) => x + one;\n"
        for fault, message in (("report.y = onne;", "3: found the name onne"),
                               ("const z = one;", "3: found z, which nothing reads"),
                               ("report.f = (a, b) => a;", "3: found b, which nothing reads"),
                               ("const {p, q: r} = report; report.s = p + q;", "3: found r, which nothing reads"),
                               ("report.y = [one;", "3: found a [ that is not closed"),
                               ("report.y = one);", "3: found a ) without its ("),
                               ("report.y = one == 1;", "3: found ==, expected ==="),
                               ("report.y = one != 1;", "3: found !=, expected !=="),
                               ("var y = one; report.y = y;", "3: found var, expected const or let"),
                               ("report.y.innerHTML = one;", "3: found innerHTML"),
                               ("report.y = eval(one);", "3: found eval"),
                               ("console.log(one);", "3: found console"),
                               ("// " + "x" * 140, "3: found 143 columns")):
            self.assertIn(message, self.found("page.js", sound + fault))

    def test_literals_and_comments_are_no_code(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "page.js"
            path.write_text('// nobody == "x"\nreport.a = "var y == z)"; report.b = /[/)]+nobody/g.test("a") / 2; /* ( */\n')
            self.assertEqual(check(path), (0, ""))

    def test_faults_of_a_style_are_found_on_their_lines(self):
        for fault, message in (("a { color: var(--ikn); }", "2: found the property --ikn"),
                               ("a { color: red; }}", "2: found a } without its {"),
                               ("a { color: red;", "found a { that is not closed"),
                               ("a { background: url(x.png); }", "2: found url("),
                               ("a { color: red !important; }", "2: found !important")):
            self.assertIn(message, self.found("style.css", ":root { --ink: #000; }\n" + fault))


if __name__ == "__main__":
    unittest.main(verbosity=2)
