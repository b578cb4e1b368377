import { describe, expect, it } from 'vitest';
import { desiredState, desiredVm, knownHost, mark, observedVm } from '../builders.ts';
import { world } from './world.ts';

const [A, B, C] = ['aaaa', 'bbbb', 'cccc'];
const web = desiredVm();
const db = desiredVm({ name: 'db', host: 'b' });
const REMOVAL = 'remove db on b';

/** B made a second VM, and the branch was forced back to A. */
async function rewound(overrides: Parameters<typeof world>[0] = {}) {
  const all = world(overrides);
  all.source.commit(A, desiredState([web]));
  all.source.commit(B, desiredState([web, db]));
  await all.pass();
  all.source.rewind(A);
  return { ...all, report: await all.pass() };
}

describe('a branch that is taken back behind what was applied', () => {
  it('is refused though its manifests are right: nothing is removed, and both commits and the way on are told', async () => {
    const { source, hosts, notes, report } = await rewound();
    expect(report).toMatchObject({
      status: 'refused',
      revision: { sha: A },
      inForce: B,
      error: { code: 'E_GIT_REWIND' },
      issues: [],
      steps: [],
    });
    expect(hosts.applied).not.toContain(REMOVAL);
    expect(source.inForce).toBe(B);
    expect(notes.texts.get(A)).toMatch(/^refused/);
    expect(notes.texts.get(A)).toContain(`${A} does not descend from ${B}, which was applied`);
    expect(notes.texts.get(A)).toContain(
      `to have this commit all the same: kvm-gitops confirm ${report.confirmation}`,
    );
  });

  it('leaves the commit in force, which is healed', async () => {
    const { hosts, pass } = await rewound();
    hosts.set(knownHost('b', [observedVm({ name: 'db', power: 'shutoff', mark: mark({}, 'db') })]));
    await pass();
    expect(hosts.applied.at(-1)).toBe('start db on b');
  });

  it('is noted once, however many passes there are', async () => {
    const { notes, pass } = await rewound();
    const before = notes.puts;
    await pass();
    await pass();
    expect(notes.puts).toBe(before);
  });

  it('is followed once a person has confirmed it, by that confirmation alone', async () => {
    const { source, hosts, confirmed, pass, report } = await rewound();
    confirmed.add('0123456789ab');
    expect((await pass()).status).toBe('refused');
    confirmed.add(report.confirmation ?? '');
    expect(await pass()).toMatchObject({ status: 'applied', revision: { sha: A } });
    expect(hosts.applied.at(-1)).toBe(REMOVAL);
    expect(source.inForce).toBe(A);
    expect((await pass()).status).toBe('applied');
    expect(confirmed.size).toBe(0);
  });

  it('keeps its confirmation until it is in force, though it is refused for another reason first', async () => {
    const { source, hosts, confirmed, pass } = await rewound();
    source.commit(C, desiredState([web, desiredVm({ name: 'huge', memoryMiB: 64 * 1024 })]));
    const { confirmation = '' } = await pass();
    confirmed.add(confirmation);
    expect(await pass()).toMatchObject({ status: 'refused', issues: [{}] });
    hosts.set(knownHost('a', [], { memoryMiB: 128 * 1024 }));
    expect((await pass()).status).toBe('applied');
    expect(source.inForce).toBe(C);
  });

  it('needs another confirmation once it has moved on', async () => {
    const { source, hosts, confirmed, pass, report } = await rewound();
    confirmed.add(report.confirmation ?? '');
    source.commit(C, desiredState([]));
    expect(await pass()).toMatchObject({ status: 'refused', error: { code: 'E_GIT_REWIND' } });
    expect(hosts.applied).not.toContain(REMOVAL);
  });

  it('is all well again when it has what was applied', async () => {
    const { source, pass } = await rewound();
    source.rewind(A);
    source.commit(B, desiredState([web, db]));
    source.commit(C, desiredState([web, db]));
    expect((await pass()).status).toBe('applied');
    expect(source.inForce).toBe(C);
  });

  it('is followed where operator.yaml allows it', async () => {
    const { hosts, report } = await rewound({ allowRewind: true });
    expect(report).toMatchObject({ status: 'applied', revision: { sha: A } });
    expect(hosts.applied.at(-1)).toBe(REMOVAL);
  });

  it('may be forced from one commit that was refused to another', async () => {
    const { source, pass } = world();
    source.commit(A, desiredState([web]));
    await pass();
    source.commit(B, [{ file: 'manifests/web.yaml', message: 'wrong' }]);
    await pass();
    source.rewind(A);
    source.commit(C, desiredState([web, db]));
    expect((await pass()).status).toBe('applied');
  });
});

describe('an operator that has lost its mirror', () => {
  it('knows by its journal what was applied last', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([web]));
    source.commit(B, desiredState([web, db]));
    await pass();
    source.inForce = undefined;
    source.rewind(A);
    expect(await pass()).toMatchObject({ status: 'refused', error: { code: 'E_GIT_REWIND' } });
    expect(hosts.applied).not.toContain(REMOVAL);
  });

  it('goes on where the branch has that commit', async () => {
    const { source, pass } = world();
    source.commit(A, desiredState([web]));
    await pass();
    source.inForce = undefined;
    source.commit(B, desiredState([web, db]));
    expect((await pass()).status).toBe('applied');
  });
});

describe('an operator with a new state folder', () => {
  const made = (commit: string, overrides = {}) =>
    observedVm({ name: 'db', mark: mark({ commit, ...overrides }, 'db') });

  it('knows by the marks of its VMs what was applied, and waits for a confirmation', async () => {
    const { source, hosts, confirmed, pass } = world();
    source.commit(A, desiredState([web]));
    hosts.set(knownHost('b', [made(B)]));
    const report = await pass();
    expect(report).toMatchObject({ status: 'refused', error: { message: expect.stringContaining(B) } });
    expect(report.inForce).toBeUndefined();
    expect(hosts.applied).toEqual([]);
    confirmed.add(report.confirmation ?? '');
    expect((await pass()).status).toBe('applied');
    expect(hosts.applied).toContain(REMOVAL);
  });

  it.each([
    { name: 'of a commit of the branch', vm: made(A) },
    { name: 'of another cluster', vm: made(B, { cluster: 'other' }) },
    { name: 'that a clone carries', vm: made(B, { uuid: '00000000-0000-4000-8000-000000000000' }) },
  ])('minds no mark $name', async ({ vm }) => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([web]));
    hosts.set(knownHost('b', [vm]));
    expect((await pass()).error).toBeUndefined();
  });
});
