// The operators' console, at /console.

import { Api } from "./api";
import type { Status } from "./cluster";
import { devToken, enterView, keepToken, keptToken } from "./enter";
import { ConsoleView } from "./view";

const app = document.getElementById("app") ?? document.body;
let view: ConsoleView | undefined;

/** Opens the console with a token that works; what it shows before is nothing. */
async function open(token: string): Promise<void> {
  const api = new Api(token);
  await api.get<Status>("/v1/nodes");
  keepToken(token);
  view = new ConsoleView(api, (problem) => ask(problem));
  app.replaceChildren(view.element);
}

/** Asks for a token. */
function ask(problem: unknown): void {
  keepToken(undefined);
  view?.close();
  view = undefined;
  app.replaceChildren(enterView(open, problem));
}

async function begin(): Promise<void> {
  const token = keptToken() ?? (await devToken());
  if (token === undefined) return ask(undefined);
  try {
    await open(token);
  } catch (error) {
    ask(error);
  }
}

window.addEventListener("hashchange", () => view?.route());
void begin();
