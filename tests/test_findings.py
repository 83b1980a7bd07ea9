"""The facts read from invented sentences. The expected facts were worked out by hand, trap by trap.

A fact is written `+finding side size change`: `+` present, `-` absent, `?` uncertain. `finding` is the label
that the fact counts for, if it has one.
"""

import os
import subprocess
import sys
import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import accuracy
import long_texts
from laudo.errors import InputError
from laudo.findings import LABELS, Fact, as_row, from_row, labels, lexicon_digest, read, sources

SIGNS = {"present": "+", "absent": "-", "uncertain": "?"}


def written(fact: Fact) -> str:
    name = fact.label.lower().replace(" ", "_") if fact.label else fact.finding
    return " ".join(filter(None, (SIGNS[fact.status] + name, fact.side, fact.size, fact.change)))


ENGLISH = [
    # plain statements, sides and sizes
    ("There is a small left pleural effusion.", "+pleural_effusion left small"),
    ("Large right pneumothorax.", "+pneumothorax right large"),
    ("Bibasilar atelectasis.", "+atelectasis bilateral"),
    ("Moderate effusions in both lungs.", "+pleural_effusion bilateral moderate"),
    ("Pleural effusion on the right.", "+pleural_effusion right"),
    ("Left basilar opacity and right apical pneumothorax.", "+lung_opacity left; +pneumothorax right"),
    ("Right effusion and atelectasis.", "+pleural_effusion right; +atelectasis right"),
    ("Right effusion, cardiomegaly.", "+pleural_effusion right; +cardiomegaly"),
    ("Atelectasis in the left base and a small effusion.", "+atelectasis left; +pleural_effusion small"),
    ("Effusion and atelectasis on the left.", "+pleural_effusion left; +atelectasis left"),
    ("Right and left pleural effusions.", "+pleural_effusion bilateral"),
    ("Bilateral effusions, right greater than left.", "+pleural_effusion bilateral"),
    ("On the right there is atelectasis.", "+atelectasis right"),
    ("Effusion on the right, left lung is clear.", "+pleural_effusion right"),
    ("Left chest tube and pneumothorax.", "+support_devices left; +pneumothorax"),
    ("Fractures of the left sixth rib.", "+fracture left"),
    ("A 5.3 cm mass in the right upper lobe.", "+lung_lesion right"),
    # lists under a negation
    ("No effusion, pneumothorax, or consolidation.", "-pleural_effusion; -pneumothorax; -consolidation"),
    ("No pleural effusion or pneumothorax is seen.", "-pleural_effusion; -pneumothorax"),
    (
        "There is no focal consolidation, effusion, or pneumothorax.",
        "-consolidation; -pleural_effusion; -pneumothorax",
    ),
    ("No effusion and no pneumothorax.", "-pleural_effusion; -pneumothorax"),
    ("Neither effusion nor pneumothorax.", "-pleural_effusion; -pneumothorax"),
    ("Negative for pneumonia.", "-pneumonia"),
    ("Without evidence of pulmonary edema.", "-edema"),
    ("No consolidation/effusion.", "-consolidation; -pleural_effusion"),
    ("No opacity suspicious for pneumonia.", "-lung_opacity; -pneumonia"),
    ("Pneumothorax is not seen.", "-pneumothorax"),
    ("Effusions and pneumothorax are absent.", "-pleural_effusion; -pneumothorax"),
    # where a negation ends
    ("No effusion but there is mild edema.", "-pleural_effusion; +edema small"),
    ("No pneumothorax, but a small effusion on the left.", "-pneumothorax; +pleural_effusion left small"),
    ("No abnormality except for a left rib fracture.", "+fracture left"),
    (
        "No effusion or pneumothorax, with consolidation at the left base.",
        "-pleural_effusion; -pneumothorax; +consolidation left",
    ),
    ("Small effusion without pneumothorax.", "+pleural_effusion small; -pneumothorax"),
    ("No pneumothorax, small effusion.", "-pneumothorax; +pleural_effusion small"),
    ("No effusion, the heart is enlarged.", "-pleural_effusion; +cardiomegaly"),
    ("No effusion; atelectasis at the right base.", "-pleural_effusion; +atelectasis right"),
    # negations that deny no finding
    ("No change in the left effusion.", "+pleural_effusion left unchanged"),
    ("No significant interval change in pulmonary edema.", "+edema unchanged"),
    ("The effusion has not resolved.", "+pleural_effusion unchanged"),
    ("Not only atelectasis but also effusion.", "+atelectasis; +pleural_effusion"),
    # doubt before negation, hedges
    ("Pneumonia cannot be excluded.", "?pneumonia"),
    ("Cannot exclude a small pneumothorax.", "?pneumothorax small"),
    ("Superimposed pneumonia is not excluded.", "?pneumonia"),
    ("No new consolidation.", "?consolidation"),
    ("Possible left effusion.", "?pleural_effusion left"),
    (
        "Left basilar opacity may represent atelectasis or pneumonia.",
        "+lung_opacity left; ?atelectasis left; ?pneumonia left",
    ),
    ("Opacity, likely atelectasis.", "+lung_opacity; ?atelectasis"),
    ("Findings suspicious for pneumonia.", "?pneumonia"),
    ("Questionable nodule at the right apex.", "?lung_lesion right"),
    ("Atelectasis versus pneumonia.", "?atelectasis; ?pneumonia"),
    ("Opacity, atelectasis versus pneumonia.", "+lung_opacity; ?atelectasis; ?pneumonia"),
    ("Possible pneumonia and a small effusion.", "?pneumonia; +pleural_effusion small"),
    ("Likely atelectasis, no pneumothorax.", "?atelectasis; -pneumothorax"),
    ("Opacity in the right middle or lower lobe.", "+lung_opacity right"),
    ("Left basilar opacity, atelectasis or pneumonia.", "+lung_opacity left; +atelectasis; +pneumonia"),
    ("Consolidation consistent with pneumonia.", "+consolidation; +pneumonia"),
    ("Mild pulmonary vascular congestion.", "?edema small"),
    ("Enlargement of the cardiac silhouette cannot be excluded.", "?cardiomegaly"),
    ("Moderate enlargement of the heart is suspected.", "?cardiomegaly moderate"),
    ("Possible enlargement of the heart.", "?cardiomegaly"),
    ("Enlarged cardiomediastinal silhouette cannot be excluded.", "?enlarged_cardiomediastinum"),
    ("Enlargement of the heart is not seen.", "-cardiomegaly"),
    ("Widened mediastinum, repeat CT if any concern.", "+enlarged_cardiomediastinum"),
    ("No vascular congestion.", "-edema"),
    # change
    ("Interval increase in the right effusion.", "+pleural_effusion right increased"),
    ("The effusion has decreased.", "+pleural_effusion decreased"),
    ("New left consolidation.", "+consolidation left new"),
    ("Right pneumothorax has resolved.", "-pneumothorax right resolved"),
    ("The left chest tube has been removed.", "-support_devices left resolved"),
    ("Effusion and atelectasis are unchanged.", "+pleural_effusion unchanged; +atelectasis unchanged"),
    ("Resolution of the pulmonary edema.", "-edema resolved"),
    # structures
    ("Heart size is normal.", "-cardiomegaly"),
    ("The heart is mildly enlarged.", "+cardiomegaly small"),
    ("The heart is not enlarged.", "-cardiomegaly"),
    ("Enlarged heart and normal mediastinum.", "+cardiomegaly; -enlarged_cardiomediastinum"),
    ("Heart is normal and mediastinum is widened.", "-cardiomegaly; +enlarged_cardiomediastinum"),
    ("Cardiac silhouette is borderline enlarged.", "+cardiomegaly"),
    ("Heart size at the upper limits of normal.", "-cardiomegaly"),
    ("Heart size is stable.", "?cardiomegaly unchanged"),
    ("The cardiomediastinal silhouette is within normal limits.", "-enlarged_cardiomediastinum"),
    ("Enlargement of the cardiac silhouette.", "+cardiomegaly"),
    ("Opacity behind the heart.", "+lung_opacity"),
    ("The right costophrenic angle is blunted.", "?pleural_effusion right"),
    ("Blunting of the left costophrenic angle.", "?pleural_effusion left"),
    ("Blunting of the left costophrenic angle by a small effusion.", "+pleural_effusion left small"),
    ("Effusion blunting the right costophrenic angle.", "+pleural_effusion right"),
    (
        "Blunting of the left costophrenic angle without effusion.",
        "?pleural_effusion left; -pleural_effusion",
    ),
    ("Opacity obscuring the left hemidiaphragm.", "+lung_opacity left"),
    ("Collapse of the right upper lobe.", "+atelectasis right"),
    ("Biapical pleural thickening.", "+pleural_other bilateral"),
    ("The lungs are clear.", ""),
    ("Cardiac, mediastinal and hilar contours are normal.", "-cardiomegaly; -enlarged_cardiomediastinum"),
    ("Cardiac silhouette is mildly enlarged, unchanged.", "+cardiomegaly small unchanged"),
    ("The heart is enlarged but stable.", "+cardiomegaly unchanged"),
    # questions, history, headings, layout
    ("Evaluate for pneumonia.", ""),
    ("Rule out pneumothorax.", ""),
    ("Pneumonia?", ""),
    ("History of pneumonia.", ""),
    ("Given the history of trauma, no pneumothorax.", "-pneumothorax"),
    ("If there is concern for pneumonia, repeat the examination.", ""),
    (
        "INDICATION: Pneumonia.\n\nFINDINGS: No effusion.\n\nIMPRESSION: Cardiomegaly.",
        "-pleural_effusion; +cardiomegaly",
    ),
    ("COMPARISON: Effusion on ___. FINDINGS: Small effusion.", "+pleural_effusion small"),
    (
        " No focal consolidation, pleural\n effusion or\n pneumothorax. ___ edema.",
        "-consolidation; -pleural_effusion; -pneumothorax; +edema",
    ),
    ("No effusion\nMild cardiomegaly", "-pleural_effusion; +cardiomegaly small"),
    ("1. No pneumothorax.\n2. Left PICC line.", "-pneumothorax; +support_devices left"),
    # devices and findings without a label
    ("Right IJ central line and left-sided pacemaker.", "+support_devices right; +support_devices left"),
    ("ET tube ends 4.5 cm above the carina.", "+support_devices"),
    ("Support devices are unchanged.", "+support_devices unchanged"),
    ("No support device, effusion or mass.", "-support_devices; -pleural_effusion; -lung_lesion"),
    (
        "Pleural scarring on the right, apical scarring on the left.",
        "+pleural_other right; +lung_opacity left",
    ),
    ("Pericardial effusion.", "+pericardial_effusion"),
    ("Hyperinflated lungs.", "+hyperinflation"),
    ("Hydropneumothorax on the left.", "+pleural_effusion left; +pneumothorax left"),
    # exceptions, ends of lists, questions, layouts: from a reader who looked for traps
    ("No acute process except for mild bibasilar atelectasis.", "+atelectasis bilateral small"),
    ("No acute findings other than a small right pleural effusion.", "+pleural_effusion right small"),
    ("No, however, effusion.", "-pleural_effusion"),
    (
        "No effusion, endotracheal tube and NG tube in place.",
        "-pleural_effusion; +support_devices; +support_devices",
    ),
    ("No consolidation, effusion is present on the left.", "-consolidation; +pleural_effusion left"),
    ("No nodules, masses, cavities.", "-lung_lesion; -lung_lesion; -lung_lesion"),
    ("Left effusion, pneumonia? No pneumothorax.", "+pleural_effusion left; ?pneumonia; -pneumothorax"),
    ("? pneumonia.", "?pneumonia"),
    ("Comparison: none\nFindings\nLeft effusion", "+pleural_effusion left"),
    ("INDICATION: effusion\n\nThere is edema.", "+edema"),
    ("Reason for Exam (Signs/Symptoms): pneumonia.", ""),
    ("CLINICAL HISTORY/INDICATION: pneumonia.", ""),
    ("Effusion: none. Consolidation: no.", "-pleural_effusion; -consolidation"),
    ("Enteric tube tip is not visualized.", "+support_devices"),
    ("ETT above the carina, should be withdrawn by 2 cm.", "+support_devices"),
    ("Recommend removal of the right IJ line.", "+support_devices right"),
    ("NO PLEURAL EFFUSION\nMILD CARDIOMEGALY", "-pleural_effusion; +cardiomegaly small"),
    ("1) No effusion 2) Cardiomegaly", "-pleural_effusion; +cardiomegaly"),
    ("LLL atelectasis and RUL nodule.", "+atelectasis left; +lung_lesion right"),
    ("Unlikely to represent pneumonia.", "?pneumonia"),
    ("Differential: pneumonia, edema.", "?pneumonia; ?edema"),
    ("Consolidation has not improved.", "+consolidation unchanged"),
    ("Effusion nearly resolved.", "+pleural_effusion decreased"),
    ("COMPARISON: None\nSmall left effusion.", "+pleural_effusion left small"),
    ("COMPARISON: Radiograph from ___ and CT\n of an effusion.\n\nFINDINGS: Edema.", "+edema"),
    ("INDICATION\nPneumonia.\nFINDINGS\nSmall effusion.", "+pleural_effusion small"),
    ("Chest tube has not been removed.", "+support_devices unchanged"),
    ("Effusion not yet resolved.", "+pleural_effusion unchanged"),
    ("Dobbhoff has been withdrawn and ends in the esophagus.", "+support_devices"),
    (
        "Despite the absence of pneumothorax, consolidation persists.",
        "-pneumothorax; +consolidation unchanged",
    ),
]

PORTUGUESE = [
    # afirmações, lados e tamanhos
    ("Pequeno derrame pleural à esquerda.", "+pleural_effusion left small"),
    ("Volumoso pneumotórax direito.", "+pneumothorax right large"),
    ("Pequenas atelectasias bibasais.", "+atelectasis bilateral small"),
    ("Derrame pleural bilateral moderado.", "+pleural_effusion bilateral moderate"),
    ("Opacidades em ambos os pulmões.", "+lung_opacity bilateral"),
    ("Derrame pleural bilateral, maior à direita.", "+pleural_effusion bilateral"),
    ("Consolidação no hemitórax esquerdo.", "+consolidation left"),
    ("Derrame e atelectasia à direita.", "+pleural_effusion right; +atelectasis right"),
    ("Derrame pleural à direita e atelectasia à esquerda.", "+pleural_effusion right; +atelectasis left"),
    ("Derrame à direita, cardiomegalia.", "+pleural_effusion right; +cardiomegaly"),
    ("Derrame à direita e atelectasia.", "+pleural_effusion right; +atelectasis"),
    ("Derrame pleural à direita e à esquerda.", "+pleural_effusion bilateral"),
    ("À direita, há atelectasia.", "+atelectasis right"),
    ("Derrame à direita, pulmão esquerdo sem alterações.", "+pleural_effusion right"),
    ("Massa de 5,3 cm no lobo superior direito.", "+lung_lesion right"),
    ("Fraturas de arcos costais à esquerda.", "+fracture left"),
    ("DERRAME PLEURAL ESQUERDO", "+pleural_effusion left"),
    ("derrame pleural a direita, consolidacao a esquerda", "+pleural_effusion right; +consolidation left"),
    ("Pneumotorax a esquerda.", "+pneumothorax left"),
    ("Nódulos esparsos.", "+lung_lesion"),
    ("Opacidade nodular no lobo superior esquerdo.", "?lung_lesion left"),
    ("Opacidades em vidro fosco bilaterais.", "+lung_opacity bilateral"),
    ("Acentuada cardiomegalia.", "+cardiomegaly large"),
    # listas sob negação
    ("Sem derrame, pneumotórax ou consolidação.", "-pleural_effusion; -pneumothorax; -consolidation"),
    (
        "Sem consolidações, derrame pleural ou pneumotórax.",
        "-consolidation; -pleural_effusion; -pneumothorax",
    ),
    ("Não há derrame pleural nem pneumotórax.", "-pleural_effusion; -pneumothorax"),
    ("Não se observa consolidação, nem derrame.", "-consolidation; -pleural_effusion"),
    ("Não se observam sinais de congestão pulmonar.", "-edema"),
    ("Ausência de derrame pleural e pneumotórax.", "-pleural_effusion; -pneumothorax"),
    ("Não foram identificadas fraturas.", "-fracture"),
    ("Não há nenhum nódulo.", "-lung_lesion"),
    ("Espaços pleurais livres de derrame.", "-pleural_effusion"),
    ("Derrame pleural ausente.", "-pleural_effusion"),
    ("Pneumotórax não identificado.", "-pneumothorax"),
    ("Pneumonia foi descartada.", "-pneumonia"),
    ("Sem opacidades suspeitas de pneumonia.", "-lung_opacity; -pneumonia"),
    ("Não há evidência de pneumotórax e/ou derrame pleural.", "-pneumothorax; -pleural_effusion"),
    # onde acaba a negação
    (
        "Sem derrame ou pneumotórax, com consolidação na base esquerda.",
        "-pleural_effusion; -pneumothorax; +consolidation left",
    ),
    ("Sem derrame pleural, mas com discreta cardiomegalia.", "-pleural_effusion; +cardiomegaly small"),
    ("Não há pneumotórax, porém nota-se derrame à direita.", "-pneumothorax; +pleural_effusion right"),
    ("Sem alterações, exceto por fratura à direita.", "+fracture right"),
    ("Sem pneumotórax, salvo pequeno derrame.", "-pneumothorax; +pleural_effusion small"),
    ("Sem pneumotórax; derrame à esquerda.", "-pneumothorax; +pleural_effusion left"),
    ("Derrame pleural sem pneumotórax.", "+pleural_effusion; -pneumothorax"),
    ("Sem derrame, discreta cardiomegalia.", "-pleural_effusion; +cardiomegaly small"),
    ("Sem derrame pleural, área cardíaca aumentada.", "-pleural_effusion; +cardiomegaly"),
    ("Não há derrame e observa-se atelectasia.", "-pleural_effusion; +atelectasis"),
    # negações que não negam um achado
    ("Sem alteração do derrame.", "+pleural_effusion unchanged"),
    ("Sem alteração significativa do derrame à direita.", "+pleural_effusion right unchanged"),
    ("Não houve mudança significativa da consolidação.", "+consolidation unchanged"),
    ("Não apenas atelectasia, como também derrame.", "+atelectasis; +pleural_effusion"),
    ("Nódulo não calcificado à esquerda.", "+lung_lesion left"),
    # dúvida antes da negação, possibilidades
    ("Não se pode excluir pneumonia.", "?pneumonia"),
    ("Não se pode afastar derrame ou pneumotórax.", "?pleural_effusion; ?pneumothorax"),
    ("Não é possível descartar pneumonia.", "?pneumonia"),
    ("Pneumonia não pode ser excluída.", "?pneumonia"),
    ("Pneumonia não pode ser completamente afastada.", "?pneumonia"),
    ("Sem novas consolidações.", "?consolidation"),
    ("Possível derrame pleural à esquerda.", "?pleural_effusion left"),
    (
        "Opacidade na base direita que pode representar atelectasia ou pneumonia.",
        "+lung_opacity right; ?atelectasis right; ?pneumonia right",
    ),
    ("Opacidade sugestiva de pneumonia.", "+lung_opacity; ?pneumonia"),
    ("Achados suspeitos de neoplasia.", "?lung_lesion"),
    ("Provável atelectasia, sem pneumotórax.", "?atelectasis; -pneumothorax"),
    ("Nódulo questionável no ápice direito.", "?lung_lesion right"),
    ("Opacidade podendo corresponder a consolidação.", "+lung_opacity; ?consolidation"),
    ("Suspeita de fratura.", "?fracture"),
    ("Atelectasia versus pneumonia.", "?atelectasis; ?pneumonia"),
    ("Opacidade no lobo médio ou inferior direito.", "+lung_opacity right"),
    ("Opacidade na base esquerda, atelectasia ou pneumonia.", "+lung_opacity left; +atelectasis; +pneumonia"),
    ("Consolidação compatível com pneumonia.", "+consolidation; +pneumonia"),
    ("Discreta congestão vascular pulmonar.", "?edema small"),
    ("Possível pneumonia e pequeno derrame.", "?pneumonia; +pleural_effusion small"),
    ("Provavelmente sem pneumonia.", "?pneumonia"),
    ("Pode haver derrame pleural à direita.", "?pleural_effusion right"),
    ("Podem existir pequenos nódulos.", "?lung_lesion small"),
    ("Pode ainda existir fratura à esquerda.", "?fracture left"),
    ("Opacidade à esquerda, podendo haver pneumonia.", "+lung_opacity left; ?pneumonia"),
    ("Pode haver aumento da área cardíaca.", "?cardiomegaly"),
    ("Aumento da área cardíaca não pode ser excluído.", "?cardiomegaly"),
    ("A área cardíaca pode estar aumentada.", "?cardiomegaly"),
    # evolução
    ("Aumento do derrame pleural à direita.", "+pleural_effusion right increased"),
    ("O derrame diminuiu.", "+pleural_effusion decreased"),
    ("Nova consolidação à esquerda.", "+consolidation left new"),
    ("Derrame e atelectasia inalterados.", "+pleural_effusion unchanged; +atelectasis unchanged"),
    ("Resolução do pneumotórax à direita.", "-pneumothorax right resolved"),
    ("Dreno torácico direito retirado.", "-support_devices right resolved"),
    ("Retirada do cateter.", "-support_devices resolved"),
    ("Pneumotórax não mais visualizado.", "-pneumothorax resolved"),
    ("Edema pulmonar em regressão.", "+edema decreased"),
    # estruturas
    ("Área cardíaca normal.", "-cardiomegaly"),
    ("Área cardíaca de dimensões normais.", "-cardiomegaly"),
    ("Aumento da área cardíaca.", "+cardiomegaly"),
    ("Coração discretamente aumentado.", "+cardiomegaly small"),
    ("Coração não aumentado.", "-cardiomegaly"),
    ("Silhueta cardíaca nos limites da normalidade.", "-cardiomegaly"),
    ("Área cardíaca no limite superior da normalidade.", "-cardiomegaly"),
    ("Área cardíaca limítrofe.", "?cardiomegaly"),
    ("Área cardíaca de avaliação prejudicada.", "?cardiomegaly"),
    ("Índice cardiotorácico aumentado.", "+cardiomegaly"),
    ("Mediastino centrado, sem alargamento.", "-enlarged_cardiomediastinum"),
    ("Mediastino alargado.", "+enlarged_cardiomediastinum"),
    ("Coração e mediastino normais.", "-cardiomegaly; -enlarged_cardiomediastinum"),
    ("Seios costofrênicos livres.", "-pleural_effusion"),
    ("Velamento do seio costofrênico esquerdo.", "?pleural_effusion left"),
    ("Obliteração do seio costofrênico direito.", "?pleural_effusion right"),
    ("O seio costofrênico direito está obliterado por derrame pleural.", "+pleural_effusion right"),
    ("Derrame pleural obliterando o seio costofrênico direito.", "+pleural_effusion right"),
    ("Opacidade que apaga a cúpula diafragmática esquerda.", "+lung_opacity left"),
    ("Espessamento pleural biapical.", "+pleural_other bilateral"),
    ("Coração aumentado, mas estável.", "+cardiomegaly unchanged"),
    ("Transparência pulmonar preservada.", ""),
    ("Contornos cardíacos, mediastinais e hilares normais.", "-cardiomegaly; -enlarged_cardiomediastinum"),
    ("Mediastino sem alterações significativas.", "-enlarged_cardiomediastinum"),
    ("Silhueta cardíaca levemente aumentada, estável.", "+cardiomegaly small unchanged"),
    ("Arcabouço ósseo íntegro.", ""),
    # perguntas, história, cabeçalhos, quebras de linha
    ("Avaliar pneumonia.", ""),
    ("Descartar pneumotórax.", ""),
    ("Pneumonia?", ""),
    ("História de pneumonia.", ""),
    (
        "INDICAÇÃO: Pneumonia.\n\nACHADOS: Sem derrame.\n\nIMPRESSÃO: Cardiomegalia.",
        "-pleural_effusion; +cardiomegaly",
    ),
    ("Técnica: dreno à direita. Achados: sem pneumotórax.", "-pneumothorax"),
    (
        "Sem consolidação, derrame\npleural ou\npneumotórax.",
        "-consolidation; -pleural_effusion; -pneumothorax",
    ),
    ("Sem derrame pleural\nDiscreta cardiomegalia", "-pleural_effusion; +cardiomegaly small"),
    (
        "- Sem pneumotórax\n- derrame à esq. e atelectasia",
        "-pneumothorax; +pleural_effusion left; +atelectasis",
    ),
    (
        "Derrame de 1.200 mL. Sem atelectasia de 5,3 cm ou nódulo.",
        "+pleural_effusion; -atelectasis; -lung_lesion",
    ),
    # dispositivos e o que só parece um achado
    ("Tubo orotraqueal a 5,3 cm da carina.", "+support_devices"),
    (
        "Cateter venoso central à direita e marca-passo à esquerda.",
        "+support_devices right; +support_devices left",
    ),
    ("Dreno à esquerda e pneumotórax.", "+support_devices left; +pneumothorax"),
    ("Sem dispositivos de suporte, derrame ou nódulo.", "-support_devices; -pleural_effusion; -lung_lesion"),
    ("Dispositivo de suporte à direita.", "+support_devices right"),
    ("Cicatriz pleural à direita.", "+pleural_other right"),
    ("Cicatrizes pulmonares.", "+lung_opacity"),
    ("Fratura costal em consolidação.", "+fracture"),
    ("Derrame pericárdico.", "+pericardial_effusion"),
    ("Edema de partes moles.", "+soft_tissue_edema"),
    ("Hidropneumotórax à esquerda.", "+pleural_effusion left; +pneumothorax left"),
    # exceções, fins de listas, perguntas, disposição: de uma leitora que procurou armadilhas
    ("Não há outras alterações, além de discreta cardiomegalia.", "+cardiomegaly small"),
    ("Sem pneumotórax, sonda nasoenteral no estômago.", "-pneumothorax; +support_devices"),
    ("Sem derrame, atelectasia à esquerda.", "-pleural_effusion; +atelectasis left"),
    (
        "Opacidade na base direita: atelectasia? consolidação?",
        "+lung_opacity right; ?atelectasis; ?consolidation",
    ),
    ("Opacidade em base esquerda (atelectasia? pneumonia?).", "+lung_opacity left; ?atelectasis; ?pneumonia"),
    (
        "Técnica: PA.\nRelatório\nDerrame à direita.\nImpressão\nPneumonia.",
        "+pleural_effusion right; +pneumonia",
    ),
    ("INDICAÇÃO CLINICA: PNEUMONIA.", ""),
    ("Motivo da solicitação: pneumonia.", ""),
    ("Opacidade não associada a derrame.", "+lung_opacity; -pleural_effusion"),
    ("Derrame pleural: não.", "-pleural_effusion"),
    ("Extremidade distal da sonda não visualizada.", "+support_devices"),
    ("Sugere-se retirada do cateter.", "+support_devices"),
    (
        "SEM DERRAME\nCARDIOMEGALIA\nATELECTASIA NA BASE ESQUERDA",
        "-pleural_effusion; +cardiomegaly; +atelectasis left",
    ),
    (
        "Coração normal – sem derrame – atelectasia à esquerda",
        "-cardiomegaly; -pleural_effusion; +atelectasis left",
    ),
    ("Consolidação no LID e atelectasia no LSE.", "+consolidation right; +atelectasis left"),
    ("Não pode ser excluída pneumonia.", "?pneumonia"),
    ("É improvável que se trate de pneumonia.", "?pneumonia"),
    ("Hipóteses: pneumonia, edema ou hemorragia.", "?pneumonia; ?edema; ?pulmonary_hemorrhage"),
    ("Não há dúvida de que existe derrame.", "+pleural_effusion"),
    ("Não surgiram novas opacidades.", "?lung_opacity"),
    ("Hérnia de hiato não se observa.", "-hiatal_hernia"),
    ("Exame: RX de tórax PA\nDerrame pleural à direita.", "+pleural_effusion right"),
    ("Indicação: tosse\nDescrição: Derrame.", "+pleural_effusion"),
    ("INDICAÇÃO\nPneumonia.\nRELATÓRIO\nDerrame.", "+pleural_effusion"),
    ("Dreno não retirado.", "+support_devices unchanged"),
    ("Derrame pleural não resolvido.", "+pleural_effusion unchanged"),
    ("Pneumotórax à E e derrame à D.", "+pneumothorax left; +pleural_effusion right"),
    ("Pneumotórax (E). Derrame pleural E/D.", "+pneumothorax left; +pleural_effusion bilateral"),
    ("Seio costofrênico E obliterado.", "?pleural_effusion left"),
    ("DERRAME PLEURAL À E.", "+pleural_effusion left"),
    ("Consolidação apical e basal.", "+consolidation"),
    ("Derrame bilateral, maior à E.", "+pleural_effusion bilateral"),
    ("Colapso total do pulmão esquerdo.", "+atelectasis left"),
    ("Coração e mediastino: sem alterações.", "-cardiomegaly; -enlarged_cardiomediastinum"),
    ("Seios livres. Hilos congestos.", "-pleural_effusion; ?edema"),
    ("Sem, no entanto, sinais de pneumotórax.", "-pneumothorax"),
    (
        "O mediastino não está alargado, nem há aumento da área cardíaca.",
        "-enlarged_cardiomediastinum; -cardiomegaly",
    ),
    ("Sem aumento da área cardíaca.", "-cardiomegaly"),
    ("Sem aumento do derrame.", "+pleural_effusion unchanged"),
]


@pytest.mark.parametrize(("text", "expected"), ENGLISH)
def test_english_facts(text: str, expected: str) -> None:
    assert "; ".join(map(written, read(text, lang="en"))) == expected


@pytest.mark.parametrize(("text", "expected"), PORTUGUESE)
def test_portuguese_facts(text: str, expected: str) -> None:
    assert "; ".join(map(written, read(text, lang="pt"))) == expected


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_positions_are_characters_of_the_original_text(form: str, case) -> None:
    text = unicodedata.normalize(form, case("Não há consolidação à direita. Pneumotórax à esquerda."))
    consolidation, pneumothorax = read(text, lang="pt")
    assert unicodedata.normalize("NFC", text[consolidation.start : consolidation.end]) == case("consolidação")
    assert unicodedata.normalize("NFC", text[pneumothorax.start : pneumothorax.end]) == case("pneumotórax")


def expect(**values: int | None) -> dict[str, int | None]:
    named = {name.replace("_", " ").title(): value for name, value in values.items()}
    return {label: named.get(label) for label in LABELS}


def test_labels_take_the_strongest_statement() -> None:
    facts = read("No effusion. Possible effusion. Small effusion. No edema. Possible edema.", lang="en")
    assert labels(facts) == expect(pleural_effusion=1, edema=-1)


def test_no_finding_is_compatible_with_devices_and_denials_only() -> None:
    assert labels([]) == expect(no_finding=1)
    facts = read("Cateter à direita. Área cardíaca normal. Sem pneumotórax.", lang="pt")
    assert labels(facts) == expect(no_finding=1, support_devices=1, cardiomegaly=0, pneumothorax=0)
    assert labels(read("Hyperinflated lungs.", lang="en")) == expect()
    assert labels(read("Possível escoliose.", lang="pt")) == expect()


# The label columns of PhysioNet's mimic-cxr-2.0.0-chexpert.csv, in their order.
PHYSIONET_COLUMNS = (
    "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,"
    "Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
)


@pytest.mark.parametrize("mode", ["default", "reference"])
def test_labels_are_spelled_and_ordered_as_in_the_table_of_mimic(mode) -> None:
    assert ",".join(labels([], mode=mode)) == PHYSIONET_COLUMNS


def test_an_unknown_mode_is_refused():
    for call in (lambda: read("Pneumonia.", lang="en", mode="strict"), lambda: labels([], mode="strict")):
        with pytest.raises(InputError, match="no mode 'strict'") as caught:
            call()
        assert caught.value.fix == "use one of default, reference"


VOCABULARY = """não sem no without derrame effusion coração heart normal aumentado enlarged , e and ou or nem
com but mas possible possível direita left pequeno small . ; ? INDICAÇÃO: FINDINGS: - 5,3 resolved ausente
inalterado ___"""
WORDS = st.sampled_from([*VOCABULARY.split(), "\n", "e\u0301"])
TEXTS = st.text() | st.lists(WORDS, max_size=40).map(" ".join) | st.lists(WORDS, max_size=40).map("".join)


@given(text=TEXTS, lang=st.sampled_from(["en", "pt"]))
def test_any_text_is_read_in_order_within_its_bounds(text: str, lang) -> None:
    facts = read(text, lang=lang)
    assert all(0 <= fact.start < fact.end <= len(text) for fact in facts)
    assert [fact.start for fact in facts] == sorted(fact.start for fact in facts)
    assert list(labels(facts)) == list(LABELS)


# Long monotonous texts. If reading took more than linear time, these tests would take hours.
# benchmarks/long_texts.py measures how long a megabyte takes.
PIECES = st.text("anop1,.;:-()[]/ \n", min_size=1, max_size=6) | st.sampled_from(
    ["derrame, ", "sem ", "mas ", "a\u0301", "x 1 cm "]
)


@pytest.mark.parametrize("piece", long_texts.WITHOUT_FINDINGS)
def test_a_megabyte_without_a_finding_gives_no_facts(piece: str) -> None:
    assert read(long_texts.megabyte(piece), lang="pt") == []


@settings(max_examples=25, deadline=None)
@given(piece=PIECES, lang=st.sampled_from(["en", "pt"]))
def test_any_piece_repeated_states_what_the_piece_states(piece: str, lang) -> None:
    facts = read(piece * (100_000 // len(piece)), lang=lang)
    expected = {"pleural_effusion"} if piece == "derrame, " and lang == "pt" else set()
    assert {fact.finding for fact in facts} == expected


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ("possível derrame ", {("pleural_effusion", "uncertain"): 10_000}),
        ("coração normal ", {("cardiomegaly", "absent"): 10_000}),
        ("sem derrame, ", {("pleural_effusion", "absent"): 10_000}),
        ("coração ", {}),
        ("derrame e ", {("pleural_effusion", "present"): 10_000}),
        # "sem" denies the one after it; nothing denies the first
        (
            "derrame à base mas sem ",
            {("pleural_effusion", "present"): 1, ("pleural_effusion", "absent"): 9_999},
        ),
        # "(a?" belongs to the one after it; only the last has nothing after it
        (
            "derrame à esquerda (a? ",
            {("pleural_effusion", "present"): 9_999, ("pleural_effusion", "uncertain"): 1},
        ),
    ],
)
def test_each_mention_of_a_long_list_is_a_fact(piece: str, expected: dict[tuple[str, str], int]) -> None:
    facts = read(piece * 10_000, lang="pt")
    assert Counter((fact.finding, fact.status) for fact in facts) == expected


# --- chexpert-labeler's aggregation: by hand from its stages/aggregate.py and patterns --------------------


def reference(text: str) -> dict[str, int | None]:
    return labels(read(text, lang="en", mode="reference"), mode="reference")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Effusion. No effusion. Possible effusion.",
            {"pleural_effusion": -1},
        ),  # [1, 0, -1]: case 1 comes first
        ("Effusion. Possible effusion.", {"pleural_effusion": 1}),
        ("Effusion. No effusion.", {"pleural_effusion": 1}),
        ("No effusion. Possible effusion.", {"pleural_effusion": -1}),
        ("Heart failure.", {"edema": 1, "cardiomegaly": -1}),
        ("Heart failure. The heart is not enlarged.", {"edema": 1, "cardiomegaly": -1}),
        ("Heart failure. Cardiomegaly.", {"edema": 1, "cardiomegaly": 1}),
        ("No heart failure.", {"edema": 0, "no_finding": 1}),
        ("Opacity behind the sternum; the heart.", {"lung_opacity": 1, "cardiomegaly": 1}),
        ("Heart size is normal.", {"cardiomegaly": 0, "no_finding": 1}),
        ("Atelectasis or pneumonia.", {"atelectasis": -1, "pneumonia": -1}),
        ("No atelectasis or pneumonia.", {"atelectasis": 0, "pneumonia": 0, "no_finding": 1}),
        ("Low lung volumes.", {"no_finding": 1}),
    ],
)
def test_reference_mode_has_the_quirks_of_chexpert_labeler(text: str, expected: dict[str, int]) -> None:
    assert reference(text) == expect(**expected)


def test_the_default_mode_does_not_have_them() -> None:
    assert labels(read("Effusion. No effusion. Possible effusion.", lang="en")) == expect(pleural_effusion=1)
    assert labels(read("Heart failure.", lang="en")) == expect(edema=1)
    assert labels(read("The heart. Low lung volumes.", lang="en")) == expect(no_finding=1)
    assert labels(read("Atelectasis or pneumonia.", lang="en")) == expect(atelectasis=1, pneumonia=1)


# --- what a fact says besides its status ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lang", "text", "location", "measure"),
    [
        ("en", "Nodule in the right upper lobe.", "upper_lobe", None),
        ("pt", "Nódulo no LSD.", "upper_lobe", None),
        ("en", "A 2.3 x 1.1 cm mass in the lingula.", "lingula", (2.3, "cm")),
        ("pt", "Massa de 2,3 x 1,1 cm na língula.", "lingula", (2.3, "cm")),
        ("pt", "Nódulo de 8 mm na base esquerda.", "base", (8.0, "mm")),
        ("pt", "Derrame pleural de 1.200 mL.", None, (1200.0, "ml")),
        ("en", "Effusion of 1,200 mL.", None, (1200.0, "ml")),
        ("pt", "Nódulo de 1,2 cm x 0,8 cm.", None, (1.2, "cm")),
        ("pt", "Massa de 5.3 cm.", None, (5.3, "cm")),  # a point where Portuguese has a comma
        ("en", "The endotracheal tube ends 4.5 cm above the carina.", "carina", (4.5, "cm")),
        ("pt", "Tubo orotraqueal a 4,5 cm da carina.", "carina", (4.5, "cm")),
        ("pt", "Cateter venoso central com extremidade na veia cava superior.", "superior_vena_cava", None),
        ("en", "Fracture of the left seventh rib.", "rib", None),
        ("pt", "Nódulo.", None, None),
    ],
)
def test_location_and_measure(
    lang: str, text: str, location: str | None, measure: tuple[float, str] | None
) -> None:
    (fact,) = read(text, lang=lang)
    assert (fact.location, fact.measure) == (location, measure)


@pytest.mark.parametrize(
    ("lang", "text", "cues"),
    [
        ("pt", "Não se pode excluir pneumonia.", [["Não se pode excluir"]]),
        ("en", "Pneumonia cannot be excluded.", [["cannot be excluded"]]),
        ("en", "No effusion or pneumothorax.", [["No"], ["No"]]),
        ("pt", "Derrame pleural.", [[]]),
        ("pt", "Área cardíaca normal.", [["normal"]]),
        ("en", "Probable atelectasis.", [["Probable"]]),
    ],
)
def test_cues_are_the_words_that_decided(lang: str, text: str, cues: list[list[str]]) -> None:
    assert [[text[start:end] for start, end in fact.cues] for fact in read(text, lang=lang)] == cues


@pytest.mark.parametrize(
    "text",
    [
        "Há pneumo-\ntórax à direita.",
        unicodedata.normalize("NFD", "Há pneumo-\ntórax à direita."),
        "Há pneumo-\r\n tórax à direita.",
        "Há pneumotó-\nrax à direita.",
    ],
)
def test_words_divided_at_the_end_of_a_line_are_joined(text: str) -> None:
    (fact,) = read(text, lang="pt")
    assert fact.finding == "pneumothorax" and fact.side == "right"
    assert text[fact.start] == "p" and text[: fact.end].rstrip().endswith(("tórax", "rax"))


def test_a_hyphen_that_belongs_to_the_word_stays() -> None:
    assert [
        fact.finding for fact in read("Ground-\nglass opacity on the right-\nsided base.", lang="en")
    ] == ["lung_opacity"]


def test_a_repeated_sentence_has_its_own_positions() -> None:
    """Sentences are cached by their words, so the positions must be those of each text."""
    once, twice = (read(text, lang="pt") for text in ("Derrame.", "Sem nódulos. Derrame. Derrame."))
    assert [(fact.start, fact.end) for fact in once] == [(0, 7)]
    assert [(fact.start, fact.end) for fact in twice if fact.finding == "pleural_effusion"] == [
        (13, 20),
        (22, 29),
    ]


# --- rows and digests -------------------------------------------------------------------------------------


COLUMNS = [
    "finding",
    "label",
    "status",
    "side",
    "location",
    "size",
    "measure_value",
    "measure_unit",
    "change",
    "incidental",
    "start",
    "end",
    "cues",
]


def test_a_fact_as_a_row() -> None:
    (fact,) = read("Nódulo de 1,2 cm na base direita não pode ser excluído.", lang="pt")
    assert as_row(fact) == {
        "finding": "nodule",
        "label": "Lung Lesion",
        "status": "uncertain",
        "side": "right",
        "location": "base",
        "size": None,
        "measure_value": 1.2,
        "measure_unit": "cm",
        "change": None,
        "incidental": False,
        "start": 0,
        "end": 6,
        "cues": [{"start": 33, "end": 54}],
    }


@pytest.mark.parametrize("name", accuracy.CASES)
def test_rows_and_facts_are_inverse_for_all_facts_of_the_cases(name: str) -> None:
    cases = accuracy.cases(name)
    facts = [fact for case in cases for lang in ("pt", "en") for fact in read(getattr(case, lang), lang=lang)]
    rows = [as_row(fact) for fact in facts]
    assert [from_row(row) for row in rows] == facts
    assert [as_row(from_row(row)) for row in rows] == rows
    assert {tuple(sorted(row)) for row in rows} == {tuple(sorted(COLUMNS))}
    for column in COLUMNS:  # otherwise the test above would say nothing about the column
        assert len({str(row[column]) for row in rows}) > 1, column


def test_the_digest_changes_with_a_byte_and_with_a_name(tmp_path, monkeypatch) -> None:
    for kind in ("concepts", "languages"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.toml").write_bytes(b"# abc\n")
    monkeypatch.setattr(sources, "data_folder", lambda: tmp_path)
    digests = [lexicon_digest()]
    for kind in ("concepts", "languages"):
        (tmp_path / kind / "a.toml").write_bytes(b"# abd\n")
        digests.append(lexicon_digest())
    (tmp_path / "concepts" / "a.toml").rename(tmp_path / "concepts" / "b.toml")
    digests.append(lexicon_digest())
    assert len(set(digests)) == 4
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests)
    assert lexicon_digest() == digests[-1]


def test_findings_and_sections_load_no_heavy_library_and_set_no_variable() -> None:
    program = """
import os, sys
import laudo
before = dict(os.environ)
import laudo.findings, laudo.sections, laudo.sections.reference
assert dict(os.environ) == before
print(*sys.modules)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    loaded = {name.partition(".")[0] for name in ended.stdout.split()}
    assert "pydantic" in loaded
    assert loaded.isdisjoint({"pyarrow", "numpy", "PIL", "torch"})


# --- blanks of word processors --------------------------------------------------------------------------------

REPORT = " COMPARISON: Prior effusion.\n\n FINDINGS: 1. No pleural effusion.\n 2. Small nodule of 4 mm."
BLANKS = [chr(c) for c in range(0x80, 0x10000) if unicodedata.category(chr(c)) == "Zs"]
"""Unicode's own list."""
NOTHING = ["\u00ad", "\u200b", "\u200c", "\u200d", "\u200e", "\u2060", "\ufeff"]
"""Soft hyphen, zero width (blank, joiner and non-joiner, no-break) and a mark of direction."""


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_any_blank_of_unicode_is_a_blank_and_moves_no_fact(blank):
    facts = read(REPORT, lang="en")
    assert list(map(written, facts)) == ["-pleural_effusion", "+lung_lesion small"]
    assert read(REPORT.replace(" ", blank), lang="en") == facts


@pytest.mark.parametrize("sign", NOTHING, ids=ascii)
def test_what_shows_nothing_hides_no_word_and_spans_are_of_the_text_as_given(sign):
    text = "".join(letter + sign if letter.isalpha() else letter for letter in REPORT)
    facts = read(text, lang="en")
    assert list(map(written, facts)) == ["-pleural_effusion", "+lung_lesion small"]
    shown = [text[fact.start : fact.end].replace(sign, "") for fact in facts]
    assert shown == ["pleural effusion", "nodule"]


@pytest.mark.parametrize("line_break", ["\x0b", "\x0c", "\x85", "\u2028", "\u2029"], ids=ascii)
def test_any_line_break_of_unicode_is_a_line_break(line_break):
    """UAX 14: the mandatory breaks BK and NL."""
    assert read(REPORT.replace("\n", line_break), lang="en") == read(REPORT, lang="en")
