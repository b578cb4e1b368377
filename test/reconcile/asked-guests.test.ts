import { describe, expect, it } from 'vitest';
import type { Step } from '../../src/core/step.ts';
import { createAskedGuests } from '../../src/reconcile/asked-guests.ts';
import { removeStep } from '../builders.ts';

const about = { host: 'a', cluster: 'lab', reason: 'test' };
const stop = (vm: string): Step => ({ ...about, vm, uuid: `uuid-${vm}`, kind: 'stop' });
const start = (vm: string): Step => ({ ...about, vm, uuid: `uuid-${vm}`, kind: 'start' });
const asked = { run: 3, firstMs: 100, lastMs: 200, times: 2 };
const planOf = (...steps: readonly Step[]) => ({ steps, held: [] });

describe('what a guest was asked', () => {
  it('is told to whatever step ends it next, and to no other', () => {
    const guests = createAskedGuests();
    guests.cutShort(stop('web'), asked);
    const remove = { ...removeStep('web'), uuid: 'uuid-web' };
    expect(guests.resume(planOf(remove, start('db'), stop('db'))).steps).toEqual([
      { ...remove, asked },
      start('db'),
      stop('db'),
    ]);
  });

  it('is kept over a pass in which its step was not begun', () => {
    const guests = createAskedGuests();
    guests.cutShort(stop('web'), asked);
    guests.resume(planOf(stop('web')));
    expect(guests.resume(planOf(stop('web'))).steps).toEqual([{ ...stop('web'), asked }]);
  });

  it.each([
    ['git wants it to run again', (guests) => void guests.resume(planOf(start('web')))],
    ['the step came to its end', (guests) => guests.over(stop('web'))],
  ] satisfies [string, (guests: ReturnType<typeof createAskedGuests>) => void][])(
    'is forgotten once %s: the next time it has its whole time',
    (_, happens) => {
      const guests = createAskedGuests();
      guests.cutShort(stop('web'), asked);
      happens(guests);
      expect(guests.resume(planOf(stop('web'))).steps).toEqual([stop('web')]);
    },
  );
});
