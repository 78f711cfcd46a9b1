"use strict";
// Starts `circuitlang lsp` and connects the editor to it.

const path = require("path");
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

/** The command of the setting; a relative path with a folder in it belongs to the first folder that is open. */
function command() {
  const written = vscode.workspace.getConfiguration("circuitlang").get("server.path", "circuitlang");
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  return folder && /[\\/]/.test(written) && !path.isAbsolute(written) ? path.join(folder, written) : written;
}

async function start() {
  const run = { command: command(), args: ["lsp"] };
  const watcher = vscode.workspace.createFileSystemWatcher("**/*.{cir,task}");
  const made = new LanguageClient("circuitlang", "circuitlang", run, {
    documentSelector: [{ language: "circuitlang" }],
    synchronize: { fileEvents: watcher },
  });
  client = made;
  try {
    await made.start();
  } catch (error) {
    const settings = "Open settings";
    const text = `circuitlang: \`${run.command} lsp\` does not start. Install it with: pip install 'circuitlang[lsp]'`;
    if ((await vscode.window.showErrorMessage(text, settings)) === settings) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "circuitlang.server.path");
    }
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running?.isRunning()) {
    await running.stop();
  }
}

async function activate(context) {
  const restart = async () => {
    await stop();
    await start();
  };
  context.subscriptions.push(
    vscode.commands.registerCommand("circuitlang.restart", restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("circuitlang.server.path")) {
        return restart();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
