/**
 * What is to be done after a try to tell a receiver something.
 *   done    it has it; `problem`: but not wholly, and a person has to look
 *   again   it is away, busy or broken for now; `afterMs`: it says when
 *   denied  it does not take it: a person has to look
 */
export type Verdict =
  | { readonly kind: 'done'; readonly problem?: string }
  | { readonly kind: 'again'; readonly why: string; readonly afterMs?: number | undefined }
  | { readonly kind: 'denied'; readonly why: string };
