#!/bin/sh
# Checks the manifests, for any CI. Nothing of this repository runs but this file, no host is asked, nothing is posted.
#   BASE        what the change is merged into, such as origin/main: the merge is checked, and shown as Markdown on stdout.
#               Without it the files are checked as they are.
#   KVM_GITOPS  the program, where it is installed; else KVM_GITOPS_VERSION of KVM_GITOPS_REPOSITORY is built.
set -eu
cd "$(dirname "$0")/.."

if [ -z "${KVM_GITOPS:-}" ]; then
  tool=$(mktemp -d)
  trap 'rm -rf "$tool"' EXIT
  git clone --quiet --depth 1 --branch "${KVM_GITOPS_VERSION:-main}" \
    "${KVM_GITOPS_REPOSITORY:-https://git.example.com/infra/kvm-gitops.git}" "$tool" >&2
  (cd "$tool" && npm ci --loglevel=error && npm run --silent build) >&2
  KVM_GITOPS="node $tool/dist/cli.js"
fi

if [ -n "${BASE:-}" ]; then
  $KVM_GITOPS plan --offline --repository . --base "$BASE" --head HEAD --format markdown
else
  $KVM_GITOPS validate .
fi
