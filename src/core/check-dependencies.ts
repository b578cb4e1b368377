import type { Issue } from './issue.ts';
import { issuesOf, MAX_ISSUES } from './issue-limit.ts';
import { placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';
import { type DeclaredVm, vmLabel } from './read-manifest.ts';
import { didYouMean } from './suggest.ts';

/** What is wrong with `dependsOn`: VMs that there are none of, itself, and circles, each printed once. */
export function checkDependencies(vms: readonly DeclaredVm[]): Issue[] {
  const names = new Set(vms.flatMap(({ sound }) => sound.name ?? []));
  const mentions = vms.flatMap((vm) =>
    (vm.sound.dependsOn ?? []).map((other, index) => ({ vm, other, index })),
  );
  return [...issuesOf(mentions, (mention) => nameIssues(mention, names)), ...circleIssues(vms)];
}

interface Mention {
  readonly vm: DeclaredVm;
  readonly other: string;
  readonly index: number;
}

function nameIssues({ vm, other, index }: Mention, names: ReadonlySet<string>): Issue[] {
  const { name } = vm.sound;
  if (other === name) return [issueOf(vm, index, 'it cannot depend on itself')];
  if (names.has(other)) return [];
  const others = [...names].filter((candidate) => candidate !== name);
  return [issueOf(vm, index, `no VM "${other}" is declared${didYouMean(other, others)}`)];
}

function circleIssues(vms: readonly DeclaredVm[]): Issue[] {
  const byName = new Map(vms.flatMap((vm) => (vm.sound.name === undefined ? [] : [[vm.sound.name, vm]])));
  return findCircles(byName).flatMap((circle) => {
    const [name = '', next = ''] = circle;
    const first = byName.get(name);
    const index = first?.sound.dependsOn?.indexOf(next) ?? -1;
    return first === undefined
      ? []
      : [issueOf(first, index, `they wait for each other: ${shownCircle(circle)}`)];
  });
}

function shownCircle(circle: readonly string[]): string {
  const more = circle.length - MAX_CIRCLE;
  if (more <= 0) return circle.join(' -> ');
  return [...circle.slice(0, MAX_CIRCLE - 1), `(${more} more)`, circle.at(-1)].join(' -> ');
}

const MAX_CIRCLE = 100;

/** Circles of two and more, as `a, b, a`. Without recursion: a chain may be as long as a repository is large. */
function findCircles(byName: ReadonlyMap<string, DeclaredVm>): string[][] {
  const circles: string[][] = [];
  const done = new Set<string>();
  for (const root of byName.keys()) {
    const path = [{ name: root, left: dependenciesOf(root) }];
    const onPath = new Set([root]);
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const next = done.has(last.name) ? undefined : last.left.shift();
      if (next === undefined) {
        done.add(last.name);
        onPath.delete(last.name);
        path.pop();
      } else if (onPath.has(next)) {
        const names = path.map(({ name }) => name);
        if (next !== last.name) circles.push([...names.slice(names.indexOf(next)), next]);
        if (circles.length > MAX_ISSUES) return circles;
      } else if (!done.has(next)) {
        path.push({ name: next, left: dependenciesOf(next) });
        onPath.add(next);
      }
    }
  }
  return circles;

  function dependenciesOf(name: string): string[] {
    return [...(byName.get(name)?.sound.dependsOn ?? [])];
  }
}

function issueOf(vm: DeclaredVm, index: number, message: string): Issue {
  const place = placeOf(vm.node, ['dependsOn', index]);
  return issueAt(vm.file, place, `dependsOn of ${vmLabel(vm.node)}: ${message}`);
}
