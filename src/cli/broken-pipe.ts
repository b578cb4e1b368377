let end = (): void => process.exit();

/** `kvm-gitops log | head`: whoever reads has seen enough. */
export function endAtBrokenPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    end();
  });
}

/** For a command that has something to put away first: `demo | tee log`, and Ctrl-C ends both. */
export function onBrokenPipe(callback: () => void): void {
  end = callback;
}
