import { isDeepStrictEqual } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { MARK_NAMESPACE, MARK_PREFIX, type Mark } from '../../../src/core/mark.ts';
import { markForMetadataCall } from '../../../src/core/mark-xml.ts';
import { type Step, type StepKind, subjectOf } from '../../../src/core/step.ts';
import { CLUSTER, desiredState, desiredVm, mark } from '../../builders.ts';
import { ours, useBench, volumesOf } from '../bench.ts';

const bench = useBench();
const web = desiredVm({ power: 'off' });
const base = { host: 'a', vm: 'web', uuid: web.uuid, cluster: CLUSTER, reason: 'because' };
const gone = {
  at: '2026-02-20T12:00:00.000Z',
  purgeAfter: '2026-02-27T12:00:00.000Z',
  commit: 'dead',
  complete: true,
};
const tombstone = mark({ state: 'tombstone', removed: gone });

/** One step of each kind that changes a VM that is there, and the states of the mark in which it may. */
const STEPS: readonly (readonly [Step, readonly Mark['state'][]])[] = [
  [{ ...base, kind: 'start' }, ['ready']],
  [{ ...base, kind: 'stop' }, ['ready']],
  [{ ...base, kind: 'autostart', enabled: false }, ['ready']],
  [{ ...base, kind: 'mark', mark: mark({ protect: true }) }, ['ready']],
  [{ ...base, kind: 'remove', mark: tombstone }, ['ready', 'building']],
  [{ ...base, kind: 'restore', autostart: true, mark: mark() }, ['tombstone']],
  [{ ...base, kind: 'purge', mark: tombstone }, ['tombstone']],
];
const KINDS = STEPS.map(([step]) => [step.kind, step] as const);

async function setMark(xml: string | undefined): Promise<void> {
  const { domains } = await bench.libvirt();
  const element = { uri: MARK_NAMESPACE, key: MARK_PREFIX, xml };
  await domains.setMetadata(await domains.byName('web'), element, { config: true });
}

/** What comes of a step, and whether it left everything as it was. */
async function attempt(step: Step) {
  const look = () => [
    bench.host.domains.all().map((domain) => bench.host.domains.xml(domain, true)),
    bench.host.vms(),
    volumesOf(bench.host),
  ];
  const before = look();
  const error: unknown = await bench.apply([step]).catch((thrown: unknown) => thrown);
  return { error, untouched: isDeepStrictEqual(look(), before) };
}

function refusal(reason: string) {
  return { error: { code: 'E_NOT_OURS', message: expect.stringContaining(reason) }, untouched: true };
}

beforeEach(async () => {
  await bench.converge(desiredState([web]));
});

describe('no mark, no mutation', () => {
  it.each(KINDS)('%s refuses a VM without our mark', async (_, step) => {
    await setMark(undefined);
    expect(await attempt(step)).toMatchObject(refusal('it carries no mark of ours'));
  });

  it.each(KINDS)("%s refuses a VM with another cluster's mark", async (_, step) => {
    await setMark(markForMetadataCall(mark({ cluster: 'other' })));
    expect(await attempt(step)).toMatchObject(refusal('it belongs to cluster other'));
  });

  it.each(KINDS)('%s refuses a VM whose mark is a copy of that of another', async (_, step) => {
    await setMark(markForMetadataCall(mark({}, 'db')));
    expect(await attempt(step)).toMatchObject(refusal('its mark is a copy'));
  });

  it.each(KINDS)('%s refuses a VM whose mark cannot be read', async (_, step) => {
    await setMark('<vm state="ready"/>');
    expect(await attempt(step)).toMatchObject(refusal('our mark lacks'));
  });

  it.each(KINDS)('%s refuses a VM that was renamed', async (_, step) => {
    const { domains } = await bench.libvirt();
    const domain = await domains.byName('web');
    const xml = (await domains.xml(domain)).replace('<name>web</name>', '<name>www</name>');
    await domains.undefine(domain);
    await domains.define(xml);
    expect(await attempt(step)).toMatchObject(refusal('it is called www by now'));
  });

  it.each(KINDS.filter(([kind]) => kind !== 'purge'))('%s refuses a VM that has gone', async (_, step) => {
    const { domains } = await bench.libvirt();
    await domains.undefine(await domains.byName('web'));
    expect(await attempt(step)).toMatchObject(refusal('it is no longer there'));
  });

  const wrong = STEPS.flatMap(([step, right]) =>
    (['building', 'ready', 'tombstone'] as const)
      .filter((state) => !right.includes(state))
      .map((state): readonly [StepKind, Mark['state'], Step] => [step.kind, state, step]),
  );
  it.each(wrong)('%s refuses a VM that is %s by now', async (_, state, step) => {
    await setMark(
      markForMetadataCall(
        mark(
          state === 'tombstone'
            ? { state, removed: { ...gone, purgeAfter: '2027-01-01T00:00:00.000Z' } }
            : { state },
        ),
      ),
    );
    expect(await attempt(step)).toMatchObject(refusal(state));
  });

  it('never takes the mark of a clone for that of the original', async () => {
    const { domains } = await bench.libvirt();
    const xml = await domains.xml(await domains.byName('web'));
    const clone = xml
      .replace('<name>web</name>', '<name>web-clone</name>')
      .replace(/<uuid>.*<\/uuid>/, '<uuid>11111111-2222-4333-8444-555555555555</uuid>');
    await domains.define(clone);
    const host = await bench.observe();
    expect(host.vms.find(({ name }) => name === 'web-clone')?.markError).toContain('copy');
    expect((await bench.plan(desiredState())).steps.map(subjectOf)).toEqual(['web']);
    expect(ours(host).mark.state).toBe('ready');
  });
});
