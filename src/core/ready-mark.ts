import type { DesiredVm } from './desired.ts';
import type { Mark } from './mark.ts';

interface MarkContext {
  readonly cluster: string;
  readonly commit: string;
}

/** The mark of a VM that is complete, as git has it; `kept`: what only the host knows. */
export function readyMark(
  vm: DesiredVm,
  context: MarkContext,
  kept: Pick<Mark, 'volumes' | 'applied' | 'spec' | 'seed' | 'guestName' | 'snapshots' | 'from'>,
): Mark {
  const { volumes, applied, spec, seed, guestName, snapshots, from } = kept;
  return {
    cluster: context.cluster,
    uuid: vm.uuid,
    state: 'ready',
    file: vm.source.file,
    commit: context.commit,
    protect: vm.protect,
    ...forceOf(vm),
    ...(vm.dependsOn.length > 0 && { dependsOn: vm.dependsOn }),
    ...(applied !== undefined && { applied }),
    ...(spec !== undefined && { spec }),
    ...(seed !== undefined && { seed }),
    ...(guestName !== undefined && { guestName }),
    volumes,
    ...(snapshots !== undefined && { snapshots }),
    ...(from !== undefined && { from }),
  };
}

/** What the mark says otherwise than git by now, of what a removal will have to know. */
export function markChange(mark: Mark, wanted: Mark): string | undefined {
  const texts = ({ file, protect, force, dependsOn = [] }: Mark) => ({
    'manifest file': file,
    protect: String(protect),
    force: String(force),
    dependsOn: dependsOn.join(' '),
  });
  const there = new Map(Object.entries(texts(mark)));
  const changed = Object.entries(texts(wanted)).filter(([what, text]) => there.get(what) !== text);
  return changed.length === 0 ? undefined : `${changed.map(([what]) => what).join(', ')} changed in git`;
}

/** Whether its plug may be pulled, where that is said. */
export function forceOf({ force }: Pick<Mark, 'force'>): Pick<Mark, 'force'> {
  return force === undefined ? {} : { force };
}
