#!/usr/bin/env python3
"""Records the session of the README: runs the commands of STEPS and draws what
they print as docs/session.svg, line by line as it came. Needs the command on PATH:

    go build -o /tmp/bin/zocalo ./cmd/zocalo && PATH=/tmp/bin:$PATH docs/session.py
"""
import html
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

# What is typed at which terminal; & leaves it running. {port} is the port that
# the first server was given.
STEPS = [
    ("$", "zocalo echo &"),
    ("$", "echo 'hello, world' | zocalo talk"),
    ("$", "zocalo list --columns kind,state,local,process state=listen port=5346"),
    ("$", "zocalo relay tls-listen:8443 tcp:127.0.0.1:5346 &"),
    ("$", "echo 'over TLS' | zocalo talk tls:127.0.0.1:8443,PIN"),
    ("$", "kill %1 %2"),
]
TYPING = 0.035  # seconds a character
PAUSE = 0.9  # after each step
COLUMNS, LINE, CHARACTER = 100, 18, 8.43


def main():
    lines, at, jobs, pin = [], 0.6, [], ""
    with tempfile.TemporaryDirectory() as folder:
        for step, (prompt, typed) in enumerate(STEPS):
            typed = typed.replace("PIN", pin)
            lines.append((at, prompt + " ", typed))
            at += TYPING * min(len(typed), 60)
            command, background = re.subn(r" &$", "", typed)
            began = time.monotonic()
            if command.startswith("kill"):
                for job in jobs:
                    os.killpg(job.pid, signal.SIGTERM)
                    job.wait()
                continue
            with open(os.path.join(folder, str(step)), "w+") as out:
                job = subprocess.Popen(["bash", "-c", "exec " + command if background else command], stdout=out, stderr=out,
                                       stdin=subprocess.DEVNULL if background else None, start_new_session=True)
                if background:
                    jobs.append(job)
                    time.sleep(1)
                else:
                    job.wait(timeout=30)
                out.seek(0)
                text = out.read()
            if found := re.search(r"pin=sha256:[0-9a-f]+", text):
                pin = found.group()
            at += min(time.monotonic() - began, 0.5)
            for line in text.rstrip("\n").split("\n"):
                lines.append((at, "", line.strip()))
            at += PAUSE
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "session.svg"), "w") as svg:
        draw(svg, lines)


def draw(svg, lines):
    rows = []
    for at, prompt, text in lines:
        for i, piece in enumerate(re.findall(f".{{1,{COLUMNS}}}", text) or [""]):
            rows.append((at, prompt if i == 0 else "", piece))
    width, height = int((COLUMNS + 2) * CHARACTER + 32), len(rows) * LINE + 40
    svg.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" font-family="monospace" font-size="14">\n')
    svg.write('<style>text{fill:#d8dee9;white-space:pre;animation:show .01s both}.p{fill:#88c0d0}.t{fill:#eceff4;font-weight:bold}'
              '@keyframes show{from{opacity:0}to{opacity:1}}@media(prefers-reduced-motion:reduce){text{animation:none}}</style>\n')
    svg.write(f'<rect width="{width}" height="{height}" rx="8" fill="#2e3440"/>\n')
    for i, (at, prompt, text) in enumerate(rows):
        kind = "t" if prompt else ""
        svg.write(f'<text xml:space="preserve" x="16" y="{(i + 1) * LINE + 12}" style="animation-delay:{at:.2f}s" class="{kind}">'
                  f'<tspan class="p">{prompt}</tspan>{html.escape(text, quote=False)}</text>\n')
    svg.write("</svg>\n")


if __name__ == "__main__":
    sys.exit(main())
