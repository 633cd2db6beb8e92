// Signing up and logging in.

import { ApiError, type LogIn } from "@stoa/im";
import { h, setText } from "../core/dom";
import { brand, field, footer, problemBox, showProblem } from "../core/parts";
import { keptLogIn } from "./login";

/** The form. `enter` makes an account first when it is to be a new one; `done` gets the log-in. */
export function enterView(enter: (user: string, password: string, fresh: boolean) => Promise<LogIn>, done: (login: LogIn) => void): HTMLElement {
  const user = h("input", { attrs: { type: "text", name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: "64", pattern: "[A-Za-z0-9\\-_.@+=\\|~]{1,64}", required: "", title: "Letters, digits and -_.@+=|~" } });
  const password = h("input", { attrs: { type: "password", name: "password", autocomplete: "current-password", minlength: "8", maxlength: "256", required: "" } });
  user.value = keptLogIn()?.user ?? "";
  const problem = problemBox();
  const logInButton = h("button", { class: "primary", text: "Log in", attrs: { type: "submit", value: "login" } });
  const signUpButton = h("button", { class: "quiet", text: "Sign up", attrs: { type: "submit", value: "signup" } });
  const fields = h(
    "fieldset",
    {},
    h("legend", { class: "hidden", text: "Your account" }),
    field("User name", user),
    field("Password", password, "At least 8 characters. Signing up makes a new account."),
    problem,
    h("div", { class: "enter-actions" }, logInButton, signUpButton),
  );
  const form = h("form", { class: "enter-form" }, h("h2", { text: "Your messages" }), fields);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fresh = event.submitter === signUpButton;
    void submit(fresh);
  });

  async function submit(fresh: boolean): Promise<void> {
    fields.disabled = true;
    setText(fresh ? signUpButton : logInButton, "One moment…");
    showProblem(problem, undefined);
    try {
      done(await enter(user.value.trim(), password.value, fresh));
    } catch (error) {
      const code = error instanceof ApiError && error.code !== undefined ? { code: String(error.code) } : {};
      const told = error instanceof ApiError ? { title: sentence(error.title), advice: error.action } : { title: "Something went wrong.", advice: String(error) };
      showProblem(problem, { ...told, ...code });
    } finally {
      fields.disabled = false;
      setText(logInButton, "Log in");
      setText(signUpButton, "Sign up");
    }
  }

  const back = h("a", { class: "quiet", text: "Calls", attrs: { href: "#" } });
  return h("div", { class: "enter" }, h("header", { class: "join-header" }, brand(), back), h("main", { class: "enter-main" }, form), footer());
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
