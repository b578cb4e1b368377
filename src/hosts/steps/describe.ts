import type { DescribeStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { StepContext } from './context.ts';
import { requireOwned } from './owned.ts';
import { nextDefinition, runningDefinition } from './running.ts';

/** Writes title and description, in the definition and in the running VM. */
export async function describe(context: StepContext, step: DescribeStep): Promise<void> {
  const { domain } = await requireOwned(context, step, ['ready']);
  const live = (await runningDefinition(context, domain)) !== undefined;
  const wanted = (['title', 'description'] as const).flatMap((what) => {
    const text = step.texts[what];
    return text === undefined ? [] : [{ what, text }];
  });
  for (const { what, text } of wanted)
    await context.client.devices.setText(
      domain,
      { what, text: text === '' ? undefined : text },
      { config: true, live },
    );
  const after = await nextDefinition(context, domain);
  const left = wanted.find(({ what, text }) => (after[what] ?? '') !== text.trim());
  if (left === undefined) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `${step.vm} on ${step.host}: its ${left.what} was written and is not there`,
  );
}
