import { formatBytes } from '../../core/capacity-check.ts';
import { type CopyProgress, secondsLeft } from '../copy/progress.ts';

/** Says how far the copy of a disk is: `copying vda: 40 % of 20 GiB, 110 MiB/s, 1 min 50 s left`. */
export function copyMeter(target: string, progress: (message: string) => void): (at: CopyProgress) => void {
  let told = '';
  return (at) => {
    const { phase, doneBytes, totalBytes, bytesPerSecond } = at;
    const percent = totalBytes === 0 ? 100 : Math.floor((doneBytes / totalBytes) * 100);
    const left = secondsLeft(at);
    const pace =
      percent === 100 || left === undefined
        ? ''
        : `, ${formatBytes(bytesPerSecond)}/s, ${inMinutes(left)} left`;
    const message = `${phase} ${target}: ${percent} % of ${formatBytes(totalBytes)}${pace}`;
    if (message !== told) progress(message);
    told = message;
  };
}

function inMinutes(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3600
    ? `${Math.floor(whole / 60)} min ${whole % 60} s`
    : `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
