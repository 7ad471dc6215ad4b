/** A life time: what was started in it is ended with it, last first. */
export class Scope {
  private readonly ends: (() => void)[] = [];
  private ended = false;

  get isEnded(): boolean {
    return this.ended;
  }

  onEnd(end: () => void): void {
    if (this.ended) end();
    else this.ends.push(end);
  }

  listen(target: EventTarget, type: string, listener: (event: Event) => void): void {
    target.addEventListener(type, listener);
    this.onEnd(() => target.removeEventListener(type, listener));
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (let end = this.ends.pop(); end; end = this.ends.pop()) end();
  }
}
