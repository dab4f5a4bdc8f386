#!/usr/bin/env python3
"""Writes the held-out questions and answers of the evaluation, so that other programs can ask them too.

  python held_out.py --places ne_populated_places.csv --out held-out.json

The same draws as evaluate.py makes: every capital and country once, 400 of each other kind."""
import argparse, json
from pathlib import Path
import train as T

def main():
    ap = argparse.ArgumentParser(); ap.add_argument("--places", required=True); ap.add_argument("--out", default="held-out.json")
    a = ap.parse_args(); held = T.Instructions(a.places).held_out(400)
    lines = [f' {json.dumps(kind)}: [\n' + ",\n".join(f"  {json.dumps(qa, ensure_ascii=False)}" for qa in questions) + "\n ]" for kind, questions in held.items()]
    Path(a.out).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

if __name__ == "__main__": main()
