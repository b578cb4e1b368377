import type { DesiredVm } from './desired.ts';
import type { ObservedVm } from './observed.ts';
import { cardFor, declaredBridge } from './plan-cards.ts';

/** What a running VM shows of its disks and cards only from its next start on: `disk vdb is attached`. */
export function pendingDevices(wanted: DesiredVm, found: ObservedVm): string[] {
  const { liveDevices } = found;
  if (liveDevices === undefined) return [];
  return [...pendingDisks(wanted, found, liveDevices), ...pendingCards(wanted, found, liveDevices)];
}

type Live = NonNullable<ObservedVm['liveDevices']>;

function pendingDisks({ dataDisks }: DesiredVm, { disks, mark }: ObservedVm, live: Live): string[] {
  const attached = dataDisks
    .map(({ target }) => disks.find((disk) => disk.target === target))
    .filter((disk) => disk !== undefined)
    .filter(({ target }) => !live.disks.some((disk) => disk.target === target));
  const left = live.disks.filter(
    ({ target, file }) =>
      !disks.some((disk) => disk.target === target) &&
      mark?.volumes.some(({ name }) => file?.endsWith(`/${name}`) === true) === true,
  );
  return [
    ...attached.map(({ target }) => `disk ${target} is attached`),
    ...left.map(({ target }) => `disk ${target} is detached`),
  ];
}

function pendingCards({ nics }: DesiredVm, found: ObservedVm, live: Live): string[] {
  return nics.flatMap((nic, index) => {
    const card = cardFor(nic, index, found.nics);
    const now = live.nics[card === undefined ? index : found.nics.indexOf(card)];
    if (card === undefined || now === undefined) return [];
    const bridge = declaredBridge(nic, card);
    const isElsewhere = bridge !== undefined && card.bridge === bridge && now.bridge !== bridge;
    return [
      ...(nic.mac !== undefined && now.mac !== card.mac ? [`MAC address ${now.mac} -> ${card.mac}`] : []),
      ...(isElsewhere ? [`bridge ${now.bridge ?? 'none'} -> ${bridge}`] : []),
    ];
  });
}
