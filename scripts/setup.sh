#!/usr/bin/env bash
# Sets up all that ./try and ./check need: system libraries, .venv, the package.
# Sourced by both, from the root of the repository; says what it does, and is quick
# when there is nothing left to do.
#
#   setup                makes .venv and installs into it
#   on_screen COMMAND    runs it on the display, or on a virtual one where there is none
#   $bin                 the folder of the environment's programs
#
# Environment: PYTHON chooses the interpreter, QT_API the Qt binding (pyqt6 or pyside6),
# TORCH_INDEX a package index with another build of torch (see "Install" in the README;
# remove .venv to change from one build to another).

export QT_API="${QT_API:-pyqt6}"
bin=.venv/bin
case "$(uname -s)" in MINGW* | MSYS*) bin=.venv/Scripts ;; esac

# What Qt and OpenGL need on Debian and Ubuntu, and what a virtual screen adds.
window_packages=(
  libgl1 libegl1 libgl1-mesa-dri libglx-mesa0 libxkbcommon-x11-0 libxcb-cursor0
  libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
  libxcb-shape0 libxcb-shm0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1 libxcb-xinerama0
  libx11-xcb1 libdbus-1-3 libfontconfig1 libglib2.0-0
)
screen_packages=(xvfb xauth fonts-dejavu-core)

say() { printf '== %s\n' "$*"; }

stop_with() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

has_display() {
  [ "$(uname -s)" != Linux ] || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]
}

on_screen() {
  if has_display; then
    "$@"
  else
    xvfb-run -a -s "-screen 0 1920x1200x24" "$@"
  fi
}

is_debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# Newer releases call some libraries by their old name plus "t64".
is_installed() {
  [[ $(dpkg-query -W -f '${Status}\n' "$1" "$1t64" 2>/dev/null) == *"ok installed"* ]]
}

# Installs Debian packages where that is allowed, else names the exact command.
apt_install() {
  local as_root=() command="apt-get install -y --no-install-recommends $*"
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      stop_with "system packages are missing; run: sudo apt-get update && sudo $command"
    fi
    as_root=(sudo -n)
  fi
  say "Installing system packages: $*"
  "${as_root[@]}" apt-get update -qq || true
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq -y --no-install-recommends "$@" ||
    stop_with "these system packages could not be installed; run: sudo $command"
}

find_python() {
  local name
  for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  stop_with "Python 3.11 or newer was not found; install it (on Debian and Ubuntu:" \
    "sudo apt-get install python3 python3-venv), or name it: PYTHON=/path/to/python3"
}

# The packages that are missing, all at once, before the long download begins.
system_packages() {
  local name missing=()
  is_debian || return 0
  if [ ! -x "$bin/python" ] && ! "$1" -c 'import ensurepip, venv' 2>/dev/null; then
    missing+=("$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
  fi
  if ! has_display; then
    for name in "${screen_packages[@]}" "${window_packages[@]}"; do
      is_installed "$name" || missing+=("$name")
    done
  fi
  if [ ${#missing[@]} -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# All that decides what is in .venv; when it changes, the setup runs again.
fingerprint() {
  "$bin/python" - "$QT_API" "${TORCH_INDEX:-}" <<'PYTHON'
import hashlib, pathlib, sys
parts = [sys.version, str(pathlib.Path.cwd()), *sys.argv[1:]]
parts += [pathlib.Path(p).read_text() for p in ("pyproject.toml", "constraints.txt")]
print(hashlib.sha256("\0".join(parts).encode()).hexdigest())
PYTHON
}

install() {
  local pip=("$bin/python" -m pip --disable-pip-version-check install -c constraints.txt)
  # A build such as 2.13.0+cpu goes before the plain 2.13.0 of the default index.
  if [ -n "${TORCH_INDEX:-}" ]; then pip+=(--extra-index-url "$TORCH_INDEX"); fi
  say "Installing into .venv; the first time this takes some minutes"
  "${pip[@]}" torch ||
    stop_with "torch could not be installed; choose a build that fits this machine," \
      "for example: TORCH_INDEX=https://download.pytorch.org/whl/cpu $0"
  "${pip[@]}" --quiet -e ".[fast,formats,test,dev]" "napari[$QT_API]" ||
    stop_with "the packages could not be installed; the lines above say which one," \
      "then run $0 again"
}

# A window with OpenGL is what napari needs; nothing else shows that the libraries fit.
opens_window() {
  on_screen "$bin/python" -c '
import sys
from qtpy.QtGui import QGuiApplication, QOpenGLContext
from qtpy.QtOpenGLWidgets import QOpenGLWidget
app = QGuiApplication([])
sys.exit(not QOpenGLContext().create())' >/dev/null 2>&1
}

check_window() {
  if opens_window; then return; fi
  if is_debian && has_display; then apt_install "${window_packages[@]}"; fi
  opens_window || stop_with "Qt cannot open a window with OpenGL here; it needs" \
    "(names of Debian and Ubuntu): ${screen_packages[*]} ${window_packages[*]};" \
    "or DISPLAY (${DISPLAY:-not set}) names a display that is gone"
}

setup() {
  local python stamp=.venv/scicompty-setup
  python=$(find_python)
  system_packages "$python"
  if ! "$bin/python" -c '' 2>/dev/null; then
    say "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
  fi
  if [ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint)" ]; then
    install
    check_window
    fingerprint >"$stamp"
  fi
}
