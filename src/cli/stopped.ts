/** A person or the system ended the command before it was done. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}
