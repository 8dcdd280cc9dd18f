//! The derivative of each activation, from its definition.

use super::{chain, name};
use crate::activation::Activation;
use crate::explain::derivation::Section;
use crate::explain::expr::{Expr, Function, call, power};
use crate::explain::formulas;

/// f' from the definition of f, step by step.
pub fn derive(section: &mut Section, f: Activation) {
    let z = || name("z");
    let one = || Expr::from(1.0);
    let e = || call(Function::Exp, -z());
    let s = || call(Function::Sigmoid, z());
    let (definition, steps) = match f {
        Activation::Sigmoid => {
            let below = || one() + e();
            let steps = vec![
                -(one() / power(below(), 2.0.into())) * -e(),
                e() / power(below(), 2.0.into()),
                one() / below() * (e() / below()),
                one() / below() * ((below() - 1.0) / below()),
                one() / below() * (one() - one() / below()),
                name("a") * (one() - name("a")),
            ];
            (vec![s(), one() / below()], steps)
        }
        Activation::Tanh => {
            let (p, m) = (|| call(Function::Exp, z()), e);
            let (above, below) = (|| p() - m(), || p() + m());
            let steps = vec![
                (below() * below() - above() * above()) / power(below(), 2.0.into()),
                one() - power(above() / below(), 2.0.into()),
                one() - power(name("a"), 2.0.into()),
            ];
            (vec![call(Function::Tanh, z()), above() / below()], steps)
        }
        Activation::Softplus => {
            let p = || call(Function::Exp, z());
            (vec![call(Function::Ln, one() + p())], vec![p() / (one() + p()), one() / (one() + e()), s()])
        }
        Activation::Silu => {
            let steps = vec![s() + z() * (s() * (one() - s())), s() * (one() + z() * (one() - s()))];
            (vec![z() * s()], steps)
        }
        Activation::Identity => (vec![z()], vec![one()]),
        Activation::Gelu => (vec![formulas::value(f, &z()).0], vec![formulas::slope(f, &z(), &name("a")).0]),
        Activation::Relu => {
            section.say("relu: a = z and da/dz = 1 for z > 0, else a = 0 and da/dz = 0.");
            return;
        }
        Activation::LeakyRelu { slope } => {
            section
                .say(format!("{f}: a = z and da/dz = 1 for z > 0, else a = {slope} z and da/dz = {slope}."));
            return;
        }
        Activation::Elu { alpha } => {
            section.say(format!(
                "{f}: a = z and da/dz = 1 for z > 0, else a = {alpha} (e^z - 1) and da/dz = {alpha} e^z = a + {alpha}."
            ));
            return;
        }
        Activation::Softmax => {
            section.say(
                "softmax: a(j) = e^z(j) / sum of e^z(k). da(j)/dz(j) = a(j) (1 - a(j)), and for another unit \
                 da(j)/dz(k) = -a(j) a(k): with -sum of y ln a their sum over j is a(k) - y(k).",
            );
            return;
        }
    };
    chain(section, "a", definition);
    chain(section, "da/dz", steps);
}
