# Sourced by ./build and ./longhorn: leaves JAVA_HOME at a JDK 25, or says so in one line and exits 1.
# The order is JAVA_HOME, PATH, then where the platforms put JDKs.

is_jdk25() {
  [ -x "$1/bin/java" ] && [ -x "$1/bin/javac" ] && grep -q '^JAVA_VERSION="25[."]' "$1/release" 2>/dev/null
}

find_jdk25() {
  local candidate link
  if [ -n "${JAVA_HOME:-}" ] && is_jdk25 "$JAVA_HOME"; then
    printf '%s\n' "$JAVA_HOME"
    return 0
  fi
  if link=$(command -v javac); then
    candidate=$(readlink -f "$link" 2>/dev/null || printf '%s' "$link")
    candidate=${candidate%/bin/javac}
    if is_jdk25 "$candidate"; then
      printf '%s\n' "$candidate"
      return 0
    fi
  fi
  if [ -x /usr/libexec/java_home ] && candidate=$(/usr/libexec/java_home -v 25 2>/dev/null) && is_jdk25 "$candidate"; then
    printf '%s\n' "$candidate"
    return 0
  fi
  for candidate in \
    /usr/lib/jvm/* /usr/java/* /usr/local/lib/jvm/* /opt/java/* /opt/jdk* /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home \
    /Library/Java/JavaVirtualMachines/*/Contents/Home "$HOME"/Library/Java/JavaVirtualMachines/*/Contents/Home \
    "$HOME"/.sdkman/candidates/java/* "$HOME"/.jdks/* "$HOME"/.local/share/mise/installs/java/* "$HOME"/.asdf/installs/java/*; do
    if is_jdk25 "$candidate"; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

if ! JAVA_HOME=$(find_jdk25); then
  echo "${0##*/}: no JDK 25 found: install one (Temurin 25, for example) or set JAVA_HOME to it." >&2
  exit 1
fi
export JAVA_HOME
