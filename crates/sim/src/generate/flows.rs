//! Flows: sources that name what is there, and each other.

use std::fmt::Write;

use super::people::{Builder, topic};
use crate::api::publish;
use crate::error::Refusal;

impl Builder<'_, '_> {
    /// Makes the flows: a sixth of them modules, a sixth to wait in, the others for calls,
    /// messages, e-mails and work in the background.
    pub(super) fn flows(&mut self) -> Result<(), Refusal> {
        let sixth = self.wanted.flows / 6;
        let mut modules = Vec::new();
        for index in 0..sixth {
            let name = format!("{} module", topic(index));
            let mut source = head("commonModule", &name, "Shared steps");
            self.lookup(&mut source, index);
            self.publish(&source)?;
            modules.push(name);
        }
        let rest = self.wanted.flows - 2 * sixth;
        let waits: Vec<String> = (0..sixth).map(|i| format!("{} wait", topic(i))).collect();
        let calls: Vec<String> = (0..rest)
            .filter(|index| index % 3 == 0)
            .map(|index| format!("{} call", topic(index)))
            .collect();
        for (index, name) in waits.iter().enumerate() {
            let mut source = head("inqueueCall", name, "Music while waiting");
            source.push_str("  startUpTaskActions:\n");
            source.push_str("    - holdMusic:\n        name: Hold Music\n        prompt:\n          lit:\n            name: PromptSystem.on_hold_music\n");
            // The cycle: who waits too long goes back to the flow that sent him here.
            if let Some(call) = calls.get(index % calls.len().max(1)) {
                let _ = writeln!(
                    source,
                    "    - transferToFlow:\n        name: Start again\n        targetFlow:\n          name: {}",
                    quoted(call)
                );
            }
            let id = self.publish(&source)?;
            self.waits.push(id);
        }
        for index in 0..rest {
            let id = self.flow(index, &modules, &waits)?;
            if index % 3 == 0 {
                self.calls.push(id);
            }
        }
        Ok(())
    }

    fn flow(
        &mut self,
        index: usize,
        modules: &[String],
        waits: &[String],
    ) -> Result<String, Refusal> {
        let (root, word) = match index % 9 {
            1 => ("inboundShortMessage", "message"),
            2 | 5 | 8 => ("workflow", "work"),
            4 | 7 => ("inboundEmail", "email"),
            _ => ("inboundCall", "call"),
        };
        let name = format!("{} {word}", topic(index));
        let mut source = head(root, &name, "Made to be cloned");
        if root == "inboundCall"
            && let Some(prompt) = self.random.pick(&self.prompts)
        {
            let _ = writeln!(source, "  initialGreeting:\n    prompt: Prompt.{prompt}");
        }
        self.lookup(&mut source, index);
        if let Some(module) = self.random.pick(modules) {
            let _ = writeln!(
                source,
                "          - callCommonModule:\n              name: Shared steps\n              commonModule:\n                {}:\n                  ver_latestPublished:\n                    none: true",
                quoted(module)
            );
        }
        if root != "workflow" {
            self.transfer(&mut source, root, waits);
        }
        self.publish(&source)
    }

    /// Adds the steps that ask a table and a service.
    fn lookup(&mut self, source: &mut String, index: usize) {
        source.push_str(
            "  tasks:\n    - task:\n        name: Main\n        refId: Main_10\n        actions:\n",
        );
        if let Some(table) = self.random.pick(&self.tables) {
            let _ = writeln!(
                source,
                "          - dataTableLookup:\n              name: Ask the table\n              lookupValue:\n                lit: \"{index}\"\n              dataTable:\n                {}:\n                  failureOutputs:\n                    errorType:\n                      noValue: true",
                quoted(table)
            );
        }
        if let Some((category, action)) = self.random.pick(&self.actions) {
            let _ = writeln!(
                source,
                "          - callData:\n              name: Ask the service\n              category:\n                {}:\n                  dataAction:\n                    {}:\n                      inputs:\n                        number:\n                          lit: \"{index}\"",
                quoted(category),
                quoted(action)
            );
        }
        if let Some((_, group)) = self.random.pick(&self.schedule_groups) {
            let _ = writeln!(
                source,
                "          - evaluateScheduleGroup:\n              name: Are we open\n              scheduleGroup:\n                lit:\n                  name: {}",
                quoted(group)
            );
        }
        source.push_str("          - disconnect:\n              name: Disconnect\n");
    }

    fn transfer(&mut self, source: &mut String, root: &str, waits: &[String]) {
        let Some((_, queue)) = self.random.pick(&self.queues) else {
            return;
        };
        let _ = writeln!(
            source,
            "          - transferToAcd:\n              name: To an agent\n              targetQueue:\n                lit:\n                  name: {}",
            quoted(queue)
        );
        if let Some((_, skill)) = self.random.pick(&self.skills) {
            let _ = writeln!(
                source,
                "              acdSkills:\n                - acdSkill:\n                    lit:\n                      name: {}",
                quoted(skill)
            );
        }
        if let Some((_, language)) = self.random.pick(&self.languages) {
            let _ = writeln!(
                source,
                "              languageSkill:\n                lit:\n                  name: {}",
                quoted(language)
            );
        }
        if root == "inboundCall"
            && let Some(wait) = self.random.pick(waits)
        {
            let _ = writeln!(
                source,
                "              overrideInQueueFlow:\n                name: {}",
                quoted(wait)
            );
        }
    }

    /// Publishes a source; flows that are still to come get a stub first.
    fn publish(&mut self, source: &str) -> Result<String, Refusal> {
        publish(self.cx, source, true)
            .map(|published| published.id)
            .map_err(|problems| Refusal::bad_request(problems.join(" ")))
    }
}

fn head(root: &str, name: &str, description: &str) -> String {
    format!(
        "{root}:\n  name: {}\n  description: {description}\n  defaultLanguage: en-us\n",
        quoted(name)
    )
}

/// JSON's texts are YAML's, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
