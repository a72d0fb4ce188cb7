/** Says on one line what runs. */
export interface Progress {
  readonly say: (text: string) => void;
  readonly done: () => void;
}

/** One line on a terminal that is written over; elsewhere a line for each step. */
export function createProgress(stream: NodeJS.WriteStream): Progress {
  const isTerminal = stream.isTTY;
  return {
    say: (text) => void stream.write(isTerminal ? `\r\u001b[K${text}` : `${text}\n`),
    done: () => void (isTerminal && stream.write('\r\u001b[K')),
  };
}
